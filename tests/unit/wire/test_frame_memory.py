"""Memory made beforehand: each frame has its own, and nothing large is held for none."""

import gc
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import frame_memory
from wire.frame_memory import MAX_AHEAD_BYTES, FrameMemory

SIZES = st.one_of(st.integers(0, 300), st.sampled_from([64, 4096, MAX_AHEAD_BYTES + 1]))


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
    memory.take(64)
    monkeypatch.setattr(frame_memory, "allocate", _refuse)
    memory.prepare()

    with pytest.raises(MemoryError):
        memory.take(64)


def _refuse(_size):
    raise MemoryError


def test_little_is_held():
    """One frame's at most, and none of a large one's."""
    memory = FrameMemory()
    gc.collect()
    tracemalloc.start()
    for size in (1 << 20, MAX_AHEAD_BYTES + 1, 1 << 20, 1 << 10):
        memory.take(size)
        for _ in range(3):
            memory.prepare()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert held < 1 << 14
