"""TFLite models are shown, planned for and profiled without being cut."""

import pytest

from fleet import split_folder, survey
from fleet.formats import UNTIMED, CutRequest, named
from fleet.profiles import attribution, quick
from fleet.split import split
from fleet.survey import SurveyRequest
from paceline.show.pictures import of_model

pytestmark = pytest.mark.usefixtures("in_process")


def test_a_model_is_shown_without_a_run(saved):
    """Kinds of operators, their work and weights, and where little crosses."""
    found = survey.survey(saved("pictures"), SurveyRequest())

    by_name = {kind.name: kind for kind in found.kinds}
    assert by_name["CONV_2D"].multiply_accumulates == 8 * 8 * 4 * 27
    assert by_name["CONV_2D"].weight_bytes == 4 * 27 * 4 + 16
    assert found.inputs[0].shape == (1, 8, 8, 3)
    assert ("pooled",) in [place.tensors for place in found.places]
    assert not found.opsets
    assert not any("run once" in note for note in found.notes)


def test_other_sizes_take_a_run(saved):
    """Shapes in the file are for those that it was converted with."""
    found = survey.survey(saved("batched"), SurveyRequest(dims={"batch": 6}))

    assert found.sizes == {"x": (6, 4)}
    assert found.along.crossing_bytes[1] == 6 * 4 * 4
    assert any("run once" in note for note in found.notes)


def test_times_are_shares_of_the_whole(saved):
    """And are told to be."""
    found = survey.survey(saved("pictures"), SurveyRequest(time=True))

    assert found.along.seconds_are_shares
    assert UNTIMED in found.notes
    assert found.along.names[max_at(found.along.seconds)] == "CONV_2D"
    assert "timed as a whole" in of_model(found).subtitle


def max_at(values):
    """Return the place of the largest value."""
    return max(range(len(values)), key=values.__getitem__)


def test_a_chain_names_its_runtime(saved):
    """Devices without it are no place for the model."""
    chain = survey.chain(saved("quantised"), CutRequest())

    assert (chain.format, chain.runtime) == ("tflite", "tflite_cpu")
    assert [block.cut for block in chain.blocks[:-1]] == [("in",), ("q0",), ("q1",), ("q2",)]
    assert chain.blocks[1].float_bytes == 0


def test_a_segments_operators_are_told_with_their_work(saved, tmp_path):
    """Which stands in for the times that no runtime tells."""
    made = split(saved("unpacked"), tmp_path / "out", CutRequest(at=("a",)))

    found = named("tflite").operators(
        split_folder.segment_folder(tmp_path / "out", made.segments[0])
    )

    assert [(one.writes, one.constant, one.kind) for one in found] == [
        ("whole", True, "DEQUANTIZE"),
        ("first", False, "FULLY_CONNECTED"),
        ("a", False, "TANH"),
    ]
    assert [one.multiply_accumulates for one in found] == [16, 16, 4]


def test_a_profile_shares_its_time_by_work(saved, real_children):
    """And says of each share that it is one."""
    profile = quick.profile(saved("unpacked"), {}, seconds=0.05)

    shares = {share.name: share for share in attribution.operators(profile)}
    assert all(share.by_work for share in shares.values())
    assert shares["first"].seconds == pytest.approx(4 * shares["a"].seconds)
    assert sum(share.seconds for share in shares.values()) == pytest.approx(profile.run_seconds)
    assert "whole" not in shares
