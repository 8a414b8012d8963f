"""Memory for frames that are received: aligned, and where one can guess, made beforehand."""

import contextlib
import ctypes
from typing import Final

import numpy as np

from wire.frame import ALIGNMENT

MAX_AHEAD_BYTES: Final = 4 << 20
"""Nothing larger is held for a frame that may never come."""
SMALL_BYTES: Final = 4 << 10
BLOCK_BYTES: Final = 16 << 10
"""Frames of up to ``SMALL_BYTES`` share a block, which is there as long as one of them is."""


def allocate(size_bytes: int) -> memoryview:
    """Return fresh writable memory for one frame, beginning at a multiple of 64 bytes.

    It belongs to the frame and is freed with the last view of it.
    """
    raw = np.empty(size_bytes + ALIGNMENT, np.uint8).data
    # an array's own ways to tell its address cost five times as much
    offset = -ctypes.addressof(ctypes.c_char.from_buffer(raw)) % ALIGNMENT
    return raw[offset : offset + size_bytes]


class FrameMemory:
    """Memory for the frames of one source, which mostly are as large as the one before.

    To be asked for it costs a tenth of a hop, so it is made while nobody waits for it, and that of
    small frames for several at once.
    """

    def __init__(self) -> None:
        self._last_bytes = 0
        self._ahead: memoryview | None = None
        self._block = memoryview(bytearray())
        """What is left of the block for small frames, aligned."""

    def prepare(self) -> None:
        """Make the next frame's, if it is as large as the last and there is memory for it."""
        if self._ahead is None and 0 < self._last_bytes <= MAX_AHEAD_BYTES:
            with contextlib.suppress(MemoryError):  # there may be when one comes: `take` tells
                self._ahead = allocate(self._last_bytes)

    def take(self, size_bytes: int) -> memoryview:
        """Return memory for a frame that has come; see `allocate`.

        A small one's is freed with the last view of its block.
        """
        if size_bytes <= SMALL_BYTES:
            self._last_bytes, self._ahead = 0, None
            block = self._block
            if block.nbytes < size_bytes:
                block = allocate(BLOCK_BYTES)
            self._block = block[size_bytes + -size_bytes % ALIGNMENT :]
            return block[:size_bytes]
        if size_bytes == self._last_bytes and self._ahead is not None:
            memory, self._ahead = self._ahead, None
            return memory
        self._last_bytes, self._ahead = size_bytes, None
        return allocate(size_bytes)
