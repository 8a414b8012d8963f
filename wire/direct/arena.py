"""Memory that both ends of a Unix socket see: a frame is copied into it once, and never out of it.

The end that takes frames makes the arena and hands its descriptor over with the handshake's last
word (`wire.direct.proving`). The end that sends copies a frame into a free *block* and rings: the
64 bytes of a *bell* on the socket say where the frame is. So frames keep their order, whichever way
each of them goes: small ones, and those for which no block is free, go by the socket. A block is
free again when the receiver's last view of its frame has gone, which it says in the arena itself.
Memory is taken where it is first used, the lowest first, and given back with the connection.

The arena is sealed: it cannot shrink under those who look at it. Whoever sends could still change a
frame while it is read, and so make a runtime fail that looks twice at a number: both ends belong to
one user, who could do worse (docs/adr/0029-memory-shared-on-one-host.md).
"""

import fcntl
import mmap
import os
import struct
import threading
import weakref
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from wire.buffers import Buffer
from wire.errors import FrameError
from wire.frame import ALIGNMENT, HEAD_BYTES

ARENA_BYTES: Final = 32 << 20
LEAST_BYTES: Final = 128 << 10
"""Smaller frames cost no more by the socket."""
BLOCKS: Final = 64
"""So many frames at most."""
_BELL: Final = struct.Struct("<4sBxHQQ40x")
"""Magic, version, block, where it begins, bytes of the frame: as long as a frame's head."""
_MAGIC: Final = b"PLNS"
MARK: Final = _MAGIC[3]
"""The fourth byte of a bell; that of a frame is another one."""
_VERSION: Final = 1
_FIRST: Final = mmap.PAGESIZE
"""Where the first block may begin; before it is a byte for each, 0 where it is free."""
_UNLOCKED_BYTES: Final = 1 << 20
"""From so many bytes on, other threads run while they are copied; it costs more to begin."""


class ArenaWriter:
    """The end that sends; for one thread at a time.

    Args:
        descriptor: The arena's, as it was handed over; the caller closes it.

    Raises:
        OSError: It cannot be mapped.
        ValueError: It is no arena.
    """

    def __init__(self, descriptor: int) -> None:
        seals = _seals()
        if fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) & seals != seals:
            raise ValueError("the other side's memory could shrink")
        self._memory = memoryview(mmap.mmap(descriptor, ARENA_BYTES))
        self._descriptor = os.dup(descriptor)
        weakref.finalize(self, os.close, self._descriptor)
        self._lent: dict[int, tuple[int, int]] = {}
        """By block: where it begins and ends."""
        self._there = 0
        """Up to where there is memory; beyond, to touch what the system cannot give would kill."""

    def put(self, buffers: Sequence[Buffer], size_bytes: int) -> bytes | None:
        """Copy a frame of ``size_bytes`` into a free block; the buffers may be reused then.

        Returns:
            The bell to be sent for it; None: there is no room, it has to go by the socket.
        """
        begins = self._room(size_bytes)
        if begins is None or not (
            begins + size_bytes <= self._there or self._more(begins + size_bytes)
        ):
            return None
        block, at, memory = 0, begins, self._memory
        while block in self._lent:
            block += 1
        for buffer in buffers:
            view = memoryview(buffer)
            if view.nbytes:
                ends = at + view.nbytes
                if view.nbytes < _UNLOCKED_BYTES:
                    memory[at:ends] = view.cast("B")
                else:
                    np.frombuffer(memory[at:ends], np.uint8)[:] = np.frombuffer(view, np.uint8)
                at = ends
        memory[block] = 1
        self._lent[block] = begins, at + -at % ALIGNMENT
        return _BELL.pack(_MAGIC, _VERSION, block, begins, size_bytes)

    def _room(self, size_bytes: int) -> int | None:
        """Return the first place where so many bytes are free; None: nowhere."""
        lent, memory, begins = self._lent, self._memory, _FIRST
        for block in tuple(lent):
            if not memory[block]:
                del lent[block]
        if len(lent) == BLOCKS:
            return None
        if lent:
            for taken, free in sorted(lent.values()):
                if taken - begins >= size_bytes:
                    return begins
                begins = free
        return begins if ARENA_BYTES - begins >= size_bytes else None

    def _more(self, ends: int) -> bool:
        """Take memory up to ``ends``; False: there is none."""
        try:
            os.posix_fallocate(self._descriptor, self._there, ends - self._there)
        except OSError:
            return False
        self._there = ends
        return True


class ArenaReader:
    """The end that takes frames, and makes the arena; for one thread at a time.

    Raises:
        OSError: There is no such memory.
    """

    def __init__(self) -> None:
        if not hasattr(os, "memfd_create"):
            raise OSError("this system has no sealed memory")
        self.descriptor = os.memfd_create("paceline-arena", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        """To be handed over, and closed then."""
        try:
            os.ftruncate(self.descriptor, ARENA_BYTES)
            fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, _seals())
            self._shared = mmap.mmap(self.descriptor, ARENA_BYTES)
        except BaseException:
            os.close(self.descriptor)
            raise
        self._lent: dict[int, weakref.ref[Any]] = {}

    def take(self, bell: Buffer, max_frame_bytes: int) -> memoryview:
        """Return the frame that a bell is about; its block is free when the last view has gone.

        Raises:
            FrameError: It is no bell, or leads to where no frame can be.
        """
        magic, version, block, begins, size = _BELL.unpack_from(bell)
        if magic != _MAGIC or version != _VERSION:
            raise FrameError(
                f"magic {magic!r}, version {version} (expected {_MAGIC!r}, {_VERSION})"
            )
        if not HEAD_BYTES <= size <= max_frame_bytes:
            raise FrameError(f"{size} bytes in shared memory, at most {max_frame_bytes} are taken")
        if block >= BLOCKS or block in self._lent:
            raise FrameError(
                f"block {block} of shared memory holds another frame, or does not exist"
            )
        if begins < _FIRST or begins % ALIGNMENT or begins > ARENA_BYTES - size:
            raise FrameError(f"{size} bytes from {begins} are no block of shared memory")
        frame = np.frombuffer(self._shared, np.uint8, size, begins)
        self._lent[block] = weakref.ref(frame, partial(self._given_back, block))
        return frame.data

    def _given_back(self, block: int, _frame: object) -> None:
        del self._lent[block]
        fence = threading.Lock()  # of its own: a collection meanwhile may lead here again
        for _ in range(2):  # let go and taken again: what was read is read before the next line
            with fence:
                pass
        self._shared[block] = 0


def _seals() -> int:
    return fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
