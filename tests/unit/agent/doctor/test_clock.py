"""The clock."""

import pytest

from agent.doctor import clock
from agent.probes.clock import ClockProbe
from tests.unit.agent.doctor.machines import severities


@pytest.mark.parametrize(
    ("kernel", "unix_seconds", "expected"),
    [
        (True, 2e9, {"clock.set": "ok", "clock.synchronised": "ok"}),
        (False, 2e9, {"clock.set": "ok", "clock.synchronised": "warning"}),
        (False, 3600, {"clock.set": "problem", "clock.synchronised": "warning"}),
        (None, 2e9, {"clock.set": "ok"}),
    ],
)
def test_a_clock_that_nobody_set_or_keeps_is_told(tmp_path, kernel, unix_seconds, expected):
    """A small computer without a battery begins in 1970; where nobody may ask, it is silent."""
    probe = ClockProbe(
        run=tmp_path,
        kernel=lambda: kernel,
        chrony=lambda: None,
        unix_seconds=lambda: unix_seconds,
        not_before=1e9,
    )

    assert severities(clock.kept(probe)) == expected


@pytest.mark.parametrize(
    ("seconds", "says", "expected"),
    [(0.4, "0 s ahead of", "ok"), (-61, "61 s behind", "warning"), (3e7, "ahead of", "warning")],
)
def test_a_clock_is_compared_with_anothers(seconds, says, expected):
    """Whole seconds are all that HTTP tells."""
    found = clock.skew(seconds, "http://x")

    assert (found.severity, says in found.evidence) == (expected, True)
