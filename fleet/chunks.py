"""Chunks of ``weights.bin``: ranges that can be found again by their digest.

A chunk's digest depends on nothing but the tensors in it: it is up to 4 MiB of one large tensor,
or a run of small ones that ends where their own content says. So a model that is cut elsewhere has
most of its chunks in common with the split before, in whatever file and at whatever place, and a
device that holds those needs only the rest.

Pure: bytes in, digests out.
"""

import hashlib
import zlib
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import msgspec

CHUNK_BYTES: Final = 4 << 20
RUN_BYTES: Final = 1 << 18
"""A run of small tensors ends with the tensor that makes it so long."""
_ENDS_ONE_IN: Final = 8
"""How often a small tensor's content ends a run."""
_ALIGNMENT: Final = 64
SCHEMA: Final = 1


class Chunk(NamedTuple):
    """A range of a file, and the SHA-256 of its bytes."""

    offset_bytes: int
    size_bytes: int
    sha256: str


class ChunkIndex(msgspec.Struct, frozen=True, kw_only=True):
    """`chunks.json`: the chunks of every segment's weights; ranges between them are zero."""

    schema: int
    segments: dict[str, tuple[Chunk, ...]]
    """By the segment's name, the chunks of its ``weights.bin`` in order."""


class Chunker:
    """Makes the chunks of one file from its tensors in order."""

    def __init__(self) -> None:
        self._made: list[Chunk] = []
        self._sha256 = hashlib.sha256()
        self._begins = self._size = 0
        self._crc = 0
        self._large = True

    def begin(self, offset_bytes: int, large: bool) -> None:
        """Begin the tensor at ``offset_bytes``, at or behind the end of the one before."""
        gap = offset_bytes - self._begins - self._size
        ends = self._crc % _ENDS_ONE_IN == 0 or self._size >= RUN_BYTES
        if self._large or large or ends or gap >= _ALIGNMENT:
            self._close(offset_bytes)
        else:
            self._take(memoryview(bytes(gap)))
        self._crc, self._large = 0, large

    def add(self, piece: memoryview) -> None:
        """Add bytes of the tensor."""
        while self._large and self._size + len(piece) > CHUNK_BYTES:
            room = CHUNK_BYTES - self._size
            self._take(piece[:room])
            self._close(self._begins + self._size)
            piece = piece[room:]
        self._take(piece)
        if not self._large:
            self._crc = zlib.crc32(piece, self._crc)

    def finished(self) -> tuple[Chunk, ...]:
        """Return all chunks; no more is added."""
        self._close(0)
        return tuple(self._made)

    def _take(self, piece: memoryview) -> None:
        self._sha256.update(piece)
        self._size += len(piece)

    def _close(self, next_begins: int) -> None:
        if self._size:
            self._made.append(Chunk(self._begins, self._size, self._sha256.hexdigest()))
        self._sha256 = hashlib.sha256()
        self._begins, self._size = next_begins, 0


def found_bytes(wanted: Iterable[Chunk], known: Iterable[Chunk]) -> int:
    """Return how many bytes of ``wanted`` are among ``known`` chunks."""
    held = {chunk.sha256 for chunk in known}
    return sum(chunk.size_bytes for chunk in wanted if chunk.sha256 in held)


def encode(segments: Mapping[str, tuple[Chunk, ...]]) -> bytes:
    """Return the index as it is written."""
    return msgspec.json.encode(ChunkIndex(schema=SCHEMA, segments=dict(segments)))
