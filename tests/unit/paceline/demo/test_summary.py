"""What a demo says of itself at its end."""

import msgspec
import pytest

from paceline.demo.summary import Summary

WELL = Summary(
    model="m.onnx",
    pipeline="demo",
    generation=1,
    outputs_equal=True,
    bit_equal=True,
    max_abs_diff=0.0,
    answers_compared=1,
    frames_submitted=3,
    frames_done=1,
    frames_errors=2,
    errors={"frame.deadline": 2},
    frames_dropped=0,
    frames_lost=0,
    frames_per_second=1.0,
    latency_seconds=None,
    whole_model_frames_per_second=1.0,
    whole_model_threads=1,
    stages=[],
    broker="mosquitto",
    first_frame_seconds=1.0,
    agents_restarted=0,
)


@pytest.mark.parametrize(("lost", "said"), [(1, "1 frame was lost"), (2, "2 frames were lost")])
def test_lost_frames_are_counted_as_people_count(lost, said):
    """One is no plural."""
    assert msgspec.structs.replace(WELL, frames_lost=lost).problem().startswith(said)


@pytest.mark.parametrize(("pulled", "fails"), [(0, True), (1, True), (2, False)])
def test_frames_that_nobody_explains_are_a_defect_unless_several_plugs_were_pulled(pulled, fails):
    """One device that dies is explained by its neighbours; of two, they may be dark, too."""
    lost = msgspec.structs.replace(WELL, frames_lost=2, plugs_pulled=pulled)

    assert (lost.problem() is not None) is fails
    assert WELL.problem() is None
