"""Segments one after the other, and what is kept between them."""

import gc
import weakref

import numpy as np
import pytest

from fleet.errors import DamagedSplitError
from fleet.verify.runs import Runs, Stopped
from fleet.verify.subject import opened
from tests.unit.fleet.verify.models import dense

LIMIT_SECONDS = 100


def test_what_nothing_needs_any_more_is_dropped(cut, real_children):
    """What a child gave is alive for the next segment; what lives longer is a copy of its own."""
    _, folder = cut("skips", at=("b", "d"), dims={"H": 8, "W": 8})
    seen, alive = {}, {}

    def look(_number, segment, given):
        gc.collect()
        alive[segment.name] = {name for name, array in seen.items() if array() is not None}
        seen.update({name: weakref.ref(array) for name, array in given.items()})

    x = np.ones((1, 3, 8, 8), np.float32)
    (outputs,) = Runs(opened(folder, None), LIMIT_SECONDS).chain(
        [{"x": x}], optimisations=False, look=look
    )

    assert list(outputs) == ["y"]
    assert set(seen) == {"a", "b", "d", "y"}
    assert alive == {"00-head": set(), "01-body": {"a"}, "02-tail": {"d"}}


def test_a_segment_that_does_not_run_stops_the_chain(cut, forge):
    """With the runtime's reason; whoever knows that the model runs may draw conclusions."""
    _, folder = cut(dense(), at=("b",))

    def change(segment):
        segment.graph.node[0].op_type = "Conv"

    forge(folder, "01-tail", change)
    runs = Runs(opened(folder, None), LIMIT_SECONDS)
    stopped = runs.chain([{"x": np.ones((1, 8), np.float32)}], optimisations=False)

    assert isinstance(stopped, Stopped)
    assert stopped.segment.name == "01-tail"
    assert "Conv" in stopped.reason


@pytest.mark.parametrize(
    ("change", "problem"),
    [("rename", r"gives no tensors \['b'\]"), ("misuse", "operator")],
)
def test_a_segment_that_is_not_the_manifests_is_a_damaged_split(cut, forge, change, problem):
    """Digests agree, and what the segment gives, or is, does not."""
    _, folder = cut(dense(), at=("b",))

    def changed(segment):
        if change == "rename":
            segment.graph.node[1].output[0] = segment.graph.output[0].name = "z"
        else:
            segment.graph.node[1].domain = "of.nobody"

    forge(folder, "00-head", changed)
    runs = Runs(opened(folder, None), LIMIT_SECONDS)

    with pytest.raises(DamagedSplitError, match=problem):
        runs.chain([{"x": np.ones((1, 8), np.float32)}], optimisations=False)
