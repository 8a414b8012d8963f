"""How fast the demo's frames went."""

import pytest

from paceline.demo.pace import LEAST_STEADY, Pace
from tests.unit.paceline.bench.reports import answer


def test_what_a_full_pipeline_did_begins_when_it_is_full():
    """The first frames went through an empty one, and are left out."""
    pace = Pace()
    for number in range(4):
        pace.add(answer(at_ms=1000 * (number + 1), latency_ms=900, sequence=number))
    for number in range(LEAST_STEADY + 1):
        pace.add(answer(at_ms=4000 + 50 * (number + 1), latency_ms=200 + number))

    steady = pace.steady(window=4)

    assert steady.frames_per_second == pytest.approx(20)
    assert steady.latency_p50_seconds == pytest.approx(0.205)
    assert steady.latency_p95_seconds == pytest.approx(0.210)
    assert pace.steady(window=6) is None
