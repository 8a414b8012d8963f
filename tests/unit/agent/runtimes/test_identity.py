"""The runtime that returns what it is given."""

from pathlib import Path

import numpy as np

from agent.runtimes import RuntimeOptions
from agent.runtimes.identity import IdentityRuntime


def test_outputs_are_the_inputs():
    """Nothing is copied, renamed or left out."""
    inputs = {"x": np.arange(3), "flag": np.array(True)}
    runtime = IdentityRuntime.open(Path("/nowhere"), RuntimeOptions())

    outputs = runtime.run(inputs)
    runtime.close()

    assert outputs is inputs


def test_it_runs_anywhere():
    """It is detected and proved on every machine."""
    IdentityRuntime.prove()

    assert [one.runtime for one in IdentityRuntime.detect()] == ["identity"]
