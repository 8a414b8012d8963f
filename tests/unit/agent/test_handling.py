"""What a worker spends on a frame beside its run, measured with the worker's own parts."""

import threading
import time

import numpy as np
import pytest

from agent.errors import RuntimeFailedError
from agent.handling import LEAST_FRAMES, handling_seconds

INPUTS = {"x": np.arange(6, dtype=np.float32).reshape(2, 3)}


class Doubling:
    """A runtime that computes for a while."""

    def __init__(self, fails_from=None, *, any_thread=True):
        self.runs = 0
        self.threads = set()
        self.any_thread = any_thread
        self.closed = False
        self._fails_from = fails_from

    def run(self, inputs):
        """Compute, or fail."""
        self.runs += 1
        self.threads.add(threading.get_ident())
        if self._fails_from is not None and self.runs >= self._fails_from:
            raise RuntimeFailedError("onnx_cpu", "nothing came out")
        ends = time.process_time() + 0.02
        while time.process_time() < ends:
            pass
        return {"y": inputs["x"] * 2}

    def close(self):
        """Remember it."""
        self.closed = True


def test_each_frame_is_served_and_barely_run_in_turns():
    """The run is not in what is told, and the runtime stays open for its owner."""
    runtime = Doubling()

    found = handling_seconds(runtime, INPUTS, 0.0)

    assert runtime.runs == 1 + 2 * LEAST_FRAMES
    assert 0 < found < 0.02
    assert not runtime.closed


@pytest.mark.parametrize("any_thread", [True, False])
def test_a_frame_is_run_by_who_hands_it_over_where_the_runtime_allows_it(any_thread):
    """As in a worker, whose link's readers run what they receive."""
    runtime = Doubling(any_thread=any_thread)

    handling_seconds(runtime, INPUTS, 0.0)

    assert (runtime.threads == {threading.get_ident()}) == any_thread


@pytest.mark.parametrize("fails_at", [1, 2, 3])
def test_a_runtime_that_fails_says_so_and_leaves_no_thread(fails_at):
    """As when it is profiled otherwise: at first, served, or barely run."""
    before = threading.active_count()

    with pytest.raises(RuntimeFailedError, match="nothing came out"):
        handling_seconds(Doubling(fails_from=fails_at), INPUTS, 0.0)

    assert threading.active_count() == before
