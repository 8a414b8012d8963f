"""One download by SHA-256: the bytes that are already there are kept, hashed and continued.

No HTTP here. Never more than the expected bytes are written, whatever a server sends.
"""

import hashlib
import os
from collections.abc import Callable
from typing import Final

from wire.manifest import File

BLOCK_BYTES: Final = 1 << 20


class OversizeError(Exception):
    """More bytes came than the file has."""


class Download:
    """The state of one file under way, in an open file of the store."""

    def __init__(self, file: File, descriptor: int) -> None:
        """Begin at 0; call `resume` to keep what ``descriptor``, which is borrowed, holds."""
        self.file = file
        self._descriptor = descriptor
        self._hasher = hashlib.sha256()
        self.done_bytes = 0

    @property
    def remaining_bytes(self) -> int:
        """How much is missing."""
        return self.file.size_bytes - self.done_bytes

    @property
    def sha256(self) -> str:
        """The digest of what is there."""
        return self._hasher.hexdigest()

    def resume(self, before_block: Callable[[], None]) -> None:
        """Hash what the file holds and go on after it; discard it if it is too long.

        ``before_block`` may raise to give up.

        Raises:
            OSError: The disk failed.
        """
        self.discard_if_longer()
        while block := os.pread(self._descriptor, BLOCK_BYTES, self.done_bytes):
            before_block()
            self._hasher.update(block)
            self.done_bytes += len(block)

    def discard_if_longer(self) -> None:
        """Begin again if the file on disk is longer than it may be."""
        if os.fstat(self._descriptor).st_size > self.file.size_bytes:
            self.discard()

    def write(self, block: bytes) -> None:
        """Append ``block``.

        Raises:
            OversizeError: It is longer than what is missing; nothing of it was written.
            OSError: The disk failed; what was written before is kept.
        """
        if len(block) > self.remaining_bytes:
            raise OversizeError
        view = memoryview(block)
        while view:
            written = os.pwrite(self._descriptor, view, self.done_bytes)
            self._hasher.update(view[:written])
            self.done_bytes += written
            view = view[written:]

    def discard(self) -> None:
        """Begin again with nothing.

        Raises:
            OSError: The disk failed.
        """
        os.ftruncate(self._descriptor, 0)
        self._hasher = hashlib.sha256()
        self.done_bytes = 0
