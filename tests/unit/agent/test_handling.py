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

    def __init__(self, fails_from=None):
        self.runs = 0
        self.closed = False
        self._fails_from = fails_from

    def run(self, inputs):
        """Compute, or fail."""
        self.runs += 1
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


@pytest.mark.parametrize("fails_at", [1, 2, 3])
def test_a_runtime_that_fails_says_so_and_leaves_no_thread(fails_at):
    """As when it is profiled otherwise: at first, served, or barely run."""
    before = threading.active_count()

    with pytest.raises(RuntimeFailedError, match="nothing came out"):
        handling_seconds(Doubling(fails_from=fails_at), INPUTS, 0.0)

    assert threading.active_count() == before
