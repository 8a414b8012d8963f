"""Memory made beforehand: each frame has its own, and nothing large is held for none."""

import gc
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import frame_memory
from wire.frame import ALIGNMENT
from wire.frame_memory import BLOCK_BYTES, MAX_AHEAD_BYTES, SMALL_BYTES, FrameMemory

SIZES = st.one_of(
    st.integers(0, 300),
    st.sampled_from([64, SMALL_BYTES - 1, SMALL_BYTES, SMALL_BYTES + 1, MAX_AHEAD_BYTES + 1]),
)


@given(st.lists(st.tuples(SIZES, st.booleans()), max_size=30))
def test_each_frame_has_memory_of_its_own(steps):
    """Of its size, whatever was made beforehand; no two share a byte."""
    memory, taken = FrameMemory(), []
    for number, (size, prepared) in enumerate(steps):
        if prepared:
            memory.prepare()
        view = memory.take(size)
        view[:] = bytes([number]) * size
        taken.append((number, size, view))

    assert all(bytes(view) == bytes([number]) * size for number, size, view in taken)


@given(st.lists(SIZES, max_size=30))
def test_memory_is_aligned(sizes):
    """So tensors in it are, whatever came before."""
    memory = FrameMemory()
    addresses = [np.frombuffer(memory.take(size), np.uint8).ctypes.data for size in sizes if size]

    assert all(address % ALIGNMENT == 0 for address in addresses)


def test_small_frames_that_are_gone_hold_no_memory():
    """A block goes with the last frame in it; one that is kept holds no more than its own."""
    memory = FrameMemory()
    tracemalloc.start()
    kept = [memory.take(1 << 10) for _ in range(1 << 10)][:: 1 << 8]
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(kept) == 4
    assert held < 6 * BLOCK_BYTES


def test_what_was_made_beforehand_is_taken():
    """A frame as large as the one before costs no allocation when it comes."""
    memory = FrameMemory()
    memory.take(1 << 20)
    memory.prepare()
    tracemalloc.start()
    kept = memory.take(1 << 20)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert kept.nbytes == 1 << 20
    assert grown < 1 << 10


def test_without_memory_nothing_is_made_beforehand(monkeypatch):
    """Nobody has asked for it yet: there may be some when a frame comes, which is told if not."""
    memory = FrameMemory()
    memory.take(1 << 20)
    monkeypatch.setattr(frame_memory, "allocate", _refuse)
    memory.prepare()

    with pytest.raises(MemoryError):
        memory.take(1 << 20)


def _refuse(_size):
    raise MemoryError


def test_little_is_held():
    """One frame's at most or a block, and none of a large one's."""
    memory = FrameMemory()
    gc.collect()
    tracemalloc.start()
    for size in (1 << 20, MAX_AHEAD_BYTES + 1, 1 << 20, 1 << 10):
        memory.take(size)
        for _ in range(3):
            memory.prepare()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert held < BLOCK_BYTES + (1 << 12)
