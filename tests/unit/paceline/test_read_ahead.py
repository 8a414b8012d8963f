"""Frames that a thread of its own takes ahead: in order, bounded, none unaccounted."""

import itertools
import threading
import time

import pytest

from paceline.read_ahead import MAX_PASSED, ReadAhead


def until(claim):
    """Wait until it is so."""
    ends = time.monotonic() + 60
    while not claim():
        assert time.monotonic() < ends
        time.sleep(0.001)


@pytest.fixture
def started():
    """Return what starts a source and ends it with the test."""
    made = []

    def start(source, **how):
        ahead = ReadAhead(source, **how)
        ahead.start()
        made.append(ahead)
        return ahead

    yield start
    for ahead in made:
        ahead.close()


@pytest.mark.parametrize("room", [1, 3])
def test_a_job_loses_nothing(started, room):
    """The source waits while so many frames do; all come, in order."""
    given = []
    ahead = started((given.append(n) or n for n in range(50)), room=room)
    until(lambda: len(given) == room + 1)

    assert list(ahead) == list(range(50))
    assert ahead.passed_over(taken=False) == 0


def test_of_what_is_live_the_newest_frame_is_taken(started):
    """Those before it are passed over, and counted."""
    ahead = started(iter(range(6)), newest_wins=True)
    until(lambda: ahead._over)

    assert list(ahead) == [5]
    assert (ahead.passed_over(taken=True), ahead.passed_over(taken=False)) == (5, 0)


def test_frames_passed_over_are_counted_before_or_behind_the_one_that_is_taken(started):
    """So whoever numbers them numbers them as the source gave them."""
    go = threading.Semaphore(3)
    ahead = started((go.acquire() and n for n in range(5)), newest_wins=True)
    until(lambda: ahead._passed == 2)
    taken = next(ahead)
    go.release(2)
    until(lambda: ahead._passed == 1)

    assert taken == 2
    assert ahead.passed_over(taken=True) == 2
    assert ahead.passed_over(taken=True) == 0
    assert ahead.passed_over(taken=False) == 1
    assert next(ahead) == 4
    go.release(10)


def test_nobody_asking_stops_the_source_in_the_end(started):
    """What is not asked about is bounded, too."""
    ahead = started(itertools.count(), newest_wins=True)
    until(lambda: ahead._passed == MAX_PASSED)
    taken = next(ahead)

    assert taken == MAX_PASSED
    assert ahead.passed_over(taken=True) == MAX_PASSED


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_what_the_source_raises_comes_behind_its_frames(started, error):
    """Whatever it is; and then nothing more."""

    def source():
        yield 1
        raise error

    ahead = started(source(), room=3)

    assert next(ahead) == 1
    with pytest.raises(error):
        next(ahead)
    assert list(ahead) == []


def test_closing_closes_the_source_in_its_own_thread(started):
    """What it holds open is let go where it was opened."""
    closed = []

    def source():
        try:
            yield from itertools.count()
        finally:
            closed.append(threading.current_thread().name)

    ahead = started(source(), room=2)
    assert next(ahead) == 0
    ahead.close()
    ahead.close()

    assert closed == ["frames ahead"]
    assert list(ahead) == []


def test_a_source_that_hangs_is_left_alone(started, monkeypatch):
    """Closing waits a little, then no more; its thread keeps no process alive."""
    monkeypatch.setattr("paceline.read_ahead.END_SECONDS", 0.01)
    hang = threading.Event()
    ahead = started((hang.wait() for _ in range(1)), room=1)
    ahead.close()

    assert ahead._thread.is_alive()
    assert ahead._thread.daemon
    hang.set()
    ahead._thread.join(10)


def test_who_waits_is_told(started):
    """Once for each frame, and at the end."""
    told = threading.Semaphore(0)
    ahead = ReadAhead(iter("ab"), room=2)
    ahead.start(told.release)

    assert all(told.acquire(timeout=10) for _ in range(3))
    assert list(ahead) == ["a", "b"]
