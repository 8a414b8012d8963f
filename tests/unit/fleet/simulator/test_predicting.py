"""What a pipeline is predicted to do at a window, and by how much that was off."""

import pytest

from fleet.simulator.predicting import Figures, error, predicted
from tests.unit.fleet.simulator.pipelines import chain, worker

PIPELINE = chain(worker("a", 0.010), worker("b", 0.020))


def test_a_window_fills_the_pipeline_and_then_only_waits():
    """One frame takes the sum; as many as there are stages take the slowest; more are later."""
    alone, two, many = (predicted(PIPELINE, window) for window in (1, 2, 20))

    assert alone.latency_p50_seconds == pytest.approx(0.030, rel=0.01)
    assert alone.frames_per_second == pytest.approx(1 / 0.030, rel=0.01)
    assert two.frames_per_second == pytest.approx(50, rel=0.01)
    assert many.frames_per_second == pytest.approx(50, rel=0.01)
    assert many.latency_p95_seconds == pytest.approx(0.4, rel=0.05)
    assert [one.window for one in (alone, two, many)] == [1, 2, 20]


def test_without_any_result_nothing_is_predicted():
    """Every frame ends by its deadline."""
    assert predicted(PIPELINE, 1, deadline_seconds=0.015) is None


def test_an_error_above_zero_is_too_much_that_was_predicted():
    """Each figure by its own measured one."""
    told = Figures(frames_per_second=11, latency_p50_seconds=0.9, latency_p95_seconds=1)
    was = Figures(frames_per_second=10, latency_p50_seconds=1, latency_p95_seconds=1)

    off = error(told, was)

    assert off.frames_per_second == pytest.approx(0.1)
    assert off.latency_p50_seconds == pytest.approx(-0.1)
    assert off.latency_p95_seconds == 0
