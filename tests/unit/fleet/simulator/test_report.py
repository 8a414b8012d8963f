"""Figures of a run where there is little to tell."""

from fleet.simulator.pipeline import Kill
from tests.unit.fleet.simulator.pipelines import chain, simulated, worker


def test_frames_that_all_end_at_one_instant_have_no_steady_state():
    """A large window is submitted at once; without the first stage all of it is late at once."""
    pipeline = chain(worker("a", 0.01), worker("b", 0.01))

    found = simulated(pipeline, window=1000, frames=100, kills=(Kill("a", 0.055),))

    last = found.stretches[-1]
    assert last.results > 0
    assert last.errors > 900
    assert last.steady is None
