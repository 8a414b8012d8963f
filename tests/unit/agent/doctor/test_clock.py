"""The clock."""

import pytest

from agent.doctor import clock
from tests.unit.agent.doctor.machines import severities


@pytest.mark.parametrize(
    ("kernel", "timesync", "expected"),
    [(True, False, "ok"), (None, True, "ok"), (False, True, "ok"), (False, False, "warning")],
)
def test_a_clock_that_nobody_keeps_is_warned_of(kernel, timesync, expected):
    """The kernel says, or systemd-timesyncd's file."""
    assert severities(clock.kept(kernel, timesync)) == {"clock.synchronised": expected}


def test_nothing_is_said_where_nobody_may_ask():
    """As in a sandbox."""
    assert list(clock.kept(None, timesync=False)) == []


@pytest.mark.parametrize(("unix_seconds", "expected"), [(3600, "problem"), (1.8e9, "ok")])
def test_a_clock_that_was_never_set_is_a_problem(unix_seconds, expected):
    """A small computer without a battery begins in 1970."""
    assert clock.plausible(unix_seconds).severity == expected


@pytest.mark.parametrize(
    ("seconds", "says", "expected"),
    [(0.4, "0 s ahead of", "ok"), (-61, "61 s behind", "warning"), (3e7, "ahead of", "warning")],
)
def test_a_clock_is_compared_with_anothers(seconds, says, expected):
    """Whole seconds are all that HTTP tells."""
    found = clock.skew(seconds, "http://x")

    assert (found.severity, says in found.evidence) == (expected, True)
