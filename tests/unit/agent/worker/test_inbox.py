"""The frames that wait: oldest first, bounded twice, and woken when there is something else."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.worker.inbox import Inbox, Waiting
from wire.frame import Frame, Kind
from wire.hop import Position


def waiting(number, size_bytes=1, decoded_bytes=0):
    """Return a frame that waits."""
    frame, position = Frame(Kind.DATA, 1, number), Position(1, number, 0, "c")
    return Waiting(frame, position, size_bytes, 0, decoded_bytes)


def test_oldest_first():
    """Frames leave in the order in which they came."""
    inbox = Inbox(10, 100)
    items = [waiting(n) for n in range(3)]

    assert [inbox.put(item) for item in items] == [True] * 3
    assert [inbox.take() for _ in range(4)] == [[item] for item in items] + [[]]


@pytest.mark.parametrize(("sizes", "taken"), [([1, 1, 1], 2), ([60, 60], 1), ([101], 0)])
def test_full_in_frames_or_bytes(sizes, taken):
    """One more than fits is refused, and leaves what is there as it was."""
    inbox = Inbox(2, 100)

    assert sum(inbox.put(waiting(n, size)) for n, size in enumerate(sizes)) == taken
    assert len(inbox) == taken


def test_frames_that_grow_when_decoded_leave_fewer_at_once():
    """What leaves together takes no more than the inbox may; one alone always leaves."""
    inbox = Inbox(10, 100)
    items = [waiting(n, decoded_bytes=size) for n, size in enumerate((60, 40, 1, 500, 7))]
    for item in items:
        inbox.put(item)

    assert [inbox.take(10) for _ in range(4)] == [items[:2], items[2:3], items[3:4], items[4:]]
    assert len(inbox) == 0


def test_a_wake_ends_the_wait_once():
    """`wait` returns without a frame, and the next one waits again."""
    inbox = Inbox(1, 1)
    inbox.wake()

    inbox.wait(60)
    assert inbox.take() == []
    inbox.wake()
    inbox.wait(60)
    assert inbox.take() == []


def test_what_was_waited_for_counts_until_it_is_taken():
    """So nobody who looks at the inbox overtakes a frame whose turn has not come."""
    inbox = Inbox(2, 100)
    items = [waiting(n) for n in range(2)]
    for item in items:
        inbox.put(item)
    inbox.wait(60)
    inbox.wait(60)

    assert len(inbox) == 2
    assert not inbox.put(waiting(2))
    assert [inbox.take() for _ in range(3)] == [[items[0]], [items[1]], []]


def test_a_frame_that_comes_ends_the_wait():
    """Nobody sleeps while there is work."""
    inbox = Inbox(1, 1)
    thread = threading.Timer(0.01, inbox.put, (waiting(7),))
    thread.start()

    inbox.wait(60)
    thread.join()
    (got,) = inbox.take()

    assert got.frame.sequence == 7


@given(st.lists(st.one_of(st.none(), st.integers(0, 40))))
def test_the_bounds_hold_whatever_comes_and_goes(steps):
    """None takes a frame out, a number puts one of that size in: bytes and frames stay bounded."""
    inbox, held = Inbox(4, 100), []
    for number, size in enumerate(steps):
        if size is None:
            got = inbox.take()
            assert got == ([held.pop(0)] if held else [])
        elif inbox.put(item := waiting(number, size)):
            held.append(item)
        else:
            assert len(held) == 4 or sum(h.size_bytes for h in held) + size > 100

        assert len(inbox) == len(held) <= 4
        assert sum(h.size_bytes for h in held) <= 100


def test_several_at_once_for_a_batch():
    """As many as there are, up to the limit, oldest first; who waits for more has its own limit."""
    inbox = Inbox(10, 100)
    items = [waiting(n) for n in range(5)]
    for item in items:
        inbox.put(item)

    assert inbox.take(max_frames=3) == items[:3]
    assert inbox.take(max_frames=3, max_wait_seconds=0.01) == items[3:]


def test_a_batch_is_complete_before_its_wait_is_over():
    """The last frame that fits ends the wait."""
    inbox = Inbox(10, 100)
    inbox.put(waiting(0))
    thread = threading.Timer(0.01, inbox.put, (waiting(1),))
    thread.start()

    got = inbox.take(max_frames=2, max_wait_seconds=60)
    thread.join()

    assert [item.frame.sequence for item in got] == [0, 1]
