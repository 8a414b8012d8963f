"""What a stream has still to submit."""

import pytest

from paceline.feed import Feed


def test_a_frame_keeps_its_turn_until_it_was_submitted():
    """It is taken from the iterator once."""
    feed = Feed(iter("abc"), None, 0.0)
    first = [feed.next(), feed.next()]
    feed.submitted()

    assert (first, feed.next(), feed.over) == (["a", "a"], "b", False)


def test_the_end_is_no_frame():
    """None is a frame, if a wrong one; the end is told by ``over``."""
    feed = Feed(iter([None]), None, 0.0)
    seen = [(feed.next(), feed.over)]
    feed.submitted()
    seen.append((feed.next(), feed.over))

    assert seen == [(None, False), (None, True)]
    assert feed.error is None


def test_what_the_iterator_raises_is_kept():
    """The stream raises it in the end."""
    feed = Feed((1 // each for each in (1, 0, 1)), None, 0.0)
    feed.next()
    feed.submitted()
    feed.next()

    assert feed.over
    assert isinstance(feed.error, ZeroDivisionError)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interruption_is_not_kept(error):
    """It ends everything at once."""

    def frames():
        raise error
        yield

    with pytest.raises(error):
        Feed(frames(), None, 0.0).next()


def test_frames_are_due_at_their_pace():
    """So many a second from the first, as seconds to wait."""
    feed = Feed(iter("abc"), 2.0, 10.0)
    due = [feed.due_seconds(10.0)]
    for _ in range(2):
        feed.next()
        feed.submitted()
        due.append(feed.due_seconds(10.25))

    assert due == [0.0, 0.25, 0.75]
    assert feed.due_seconds(99.0) == 0.0


def test_without_a_pace_a_frame_is_always_due():
    """The window alone limits it."""
    assert Feed(iter("a"), None, 10.0).due_seconds(0.0) == 0.0
