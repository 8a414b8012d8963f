"""Which telemetry is news."""

from fleet.hub.arrivals import Arrivals

SECOND = 1_000_000_000


def test_late_and_repeated_messages_are_no_news():
    """They change nothing."""
    arrivals = Arrivals()

    assert arrivals.is_news(1, 100 * SECOND)
    assert not arrivals.is_news(1, 100 * SECOND)
    assert not arrivals.is_news(1, 95 * SECOND)
    assert arrivals.is_news(1, 105 * SECOND)


def test_older_session_is_no_news_whatever_its_clock_says():
    """Sessions are counted by the device and kept on its disk; clocks jump."""
    arrivals = Arrivals()
    arrivals.is_news(2, 0)

    assert not arrivals.is_news(1, 10**18)
    assert arrivals.is_news(3, -(10**18))


def test_clock_that_was_set_back_does_not_silence_a_device():
    """A year back is no late message."""
    arrivals = Arrivals()
    arrivals.is_news(1, 10**18)

    assert arrivals.is_news(1, 10**18 - 365 * 86_400 * SECOND)
