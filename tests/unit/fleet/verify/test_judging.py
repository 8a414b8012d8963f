"""From what came and what was expected to a verdict."""

import numpy as np
import pytest

from fleet.metrics.cosine import Cosine
from fleet.metrics.max_error import MaxError
from fleet.verify import judging
from fleet.verify.evidence import Found
from fleet.verify.report import Tie, together
from fleet.verify.subject import Subject
from wire.manifest import Edge, Manifest, ModelRef, Segment, Tolerance
from wire.tensors import TensorSpec

SCORES = TensorSpec(name="scores", dtype=1, shape=("N", 3))
LABEL = TensorSpec(name="label", dtype=7, shape=("N",))
RIGHT = {"scores": np.float32([[1, 2, 2]]), "label": np.array([1])}
TIE = Tie(tensor="label", count=1, of=1, largest_gap=0.0, evidence="as good")


def subject(whole="model.onnx", dtype=1):
    """Return a split of two segments that give the scores and the label."""
    inner = TensorSpec(name="inner", dtype=dtype, shape=("N", 3))
    x = TensorSpec(name="x", dtype=1, shape=("N", 3))

    def segment(name, taken, given):
        return Segment(
            name=name, format="onnx", files=(), inputs=taken, outputs=given, operators=1,
            weight_bytes=0, peak_bytes=0,
        )  # fmt: skip

    manifest = Manifest(
        schema=1, name="p", model=ModelRef(name="m", sha256="0" * 64, size_bytes=1),
        inputs=(x,), outputs=(SCORES, LABEL),
        segments=(segment("head", (x,), (inner, LABEL)), segment("tail", (inner,), (SCORES,))),
        edges=(
            Edge(source="input", target="head", tensors=(x,)),
            Edge(source="head", target="tail", tensors=(inner, LABEL)),
            Edge(source="tail", target="output", tensors=(SCORES, LABEL)),
        ),
    )  # fmt: skip
    return Subject(None, manifest, whole)


def nothing(*_):
    """Find no ties."""
    return Found(remarks={"label": "no tie"})


def tied(*_):
    """Find that the label is a tie."""
    return Found((TIE,), {"label": np.array([True])}, {})


def test_plain_outputs_have_to_be_equal_bit_by_bit():
    """The least difference is one, and the first tensor by stages is named."""
    wrong = {"scores": np.nextafter(RIGHT["scores"], 9), "label": np.array([2])}

    assert judging.plain(subject(), RIGHT, RIGHT).good
    outcome = judging.plain(subject(), wrong, RIGHT)

    assert not outcome.good
    assert (outcome.first.tensor, outcome.first.stage, outcome.first.rule) == ("label", 0, "bits")
    assert outcome.first.how == (
        "of stage 0 (head), int64[1], is not bit-equal: 1 of 1 elements, by up to 1"
    )


def test_float16_across_a_cut_may_differ_in_bits():
    """By its tolerance, and not by more."""
    near = {**RIGHT, "scores": RIGHT["scores"] * np.float32(1.001)}
    far = {**RIGHT, "scores": RIGHT["scores"] * np.float32(1.1)}

    assert judging.plain(subject(dtype=10), near, RIGHT).good
    outcome = judging.plain(subject(dtype=10), far, RIGHT)

    assert not outcome.good
    assert outcome.first.rule == "tolerance"
    assert "is beyond the tolerance: 3 of 3 elements, by up to 0.2" in outcome.first.how


def test_another_shape_is_said_to_be_one():
    """Counting its elements would say nothing."""
    outcome = judging.plain(subject(), {**RIGHT, "label": np.array([[1]])}, RIGHT)

    assert outcome.max_abs_diff == np.inf
    assert outcome.first.how == "of stage 0 (head) is int64[1,1] instead of int64[1]"


@pytest.mark.parametrize("metric", [MaxError(), Cosine()])
def test_ties_are_set_right_before_a_metric_is_asked_again(metric):
    """So they do not fail it, and they are reported."""
    got = {**RIGHT, "label": np.array([2])}

    outcome = judging.fast(subject(), metric, got, RIGHT, tied)

    assert outcome.good
    assert outcome.ties == (TIE,)
    assert outcome.max_abs_diff == 0
    assert not judging.fast(subject(), metric, got, RIGHT, nothing).good


def test_a_tie_hides_no_other_difference():
    """What is no tie fails as ever, with the remark of who looked for ties."""
    got = {"scores": RIGHT["scores"] + 1, "label": np.array([2])}

    outcome = judging.fast(subject(), MaxError(), got, RIGHT, tied)

    assert not outcome.good
    assert (outcome.first.tensor, outcome.first.stage) == ("scores", 1)
    other = judging.fast(subject(), MaxError(), got, RIGHT, nothing)
    assert other.first.how.endswith("by up to 1; no tie")


def test_nobody_looks_for_ties_where_a_metric_passes():
    """Looking costs a run of the whole model."""
    got = {**RIGHT, "scores": RIGHT["scores"] * 2}

    outcome = judging.fast(subject(), Cosine(), got, RIGHT, lambda *_: pytest.fail("looked"))

    assert outcome.good
    assert not outcome.within
    assert outcome.max_abs_diff == 2
    assert outcome.first is None


def test_a_metric_may_be_stricter_than_the_tolerance():
    """Then the first tensor that is not bit-equal is named."""

    class Strict:
        def compare(self, got, expected, tolerance):
            return Cosine().compare(got, expected, tolerance)._replace(passes=False)

    got = {**RIGHT, "scores": np.nextafter(RIGHT["scores"], 9)}

    assert judging.fast(subject(), Strict(), got, RIGHT, nothing).first.tensor == "scores"
    assert judging.fast(subject(), Strict(), RIGHT, RIGHT, nothing).first is None


def test_a_segment_that_did_not_run_gives_nothing():
    """The first tensor that it should have given is the one that differs."""
    made = subject()

    outcome = judging.stopped(made, made.manifest.segments[1], "no memory", optimisations=False)

    assert not outcome.good
    assert outcome.max_abs_diff == np.inf
    assert (outcome.stopped.tensor, outcome.stopped.stage) == ("scores", 1)
    assert "never comes" in outcome.stopped.how
    assert "no memory" in outcome.stopped.how


def test_ties_of_one_tensor_are_told_together():
    """Counts are added, and the weakest evidence is kept."""
    other = Tie(tensor="label", count=2, of=4, largest_gap=0.5, evidence="weaker")
    third = Tie(tensor="z", count=1, of=1, largest_gap=0.1, evidence="z")

    assert together([TIE, third, other]) == (
        Tie(tensor="label", count=3, of=5, largest_gap=0.5, evidence="weaker"),
        third,
    )
    assert judging.plain(subject(), RIGHT, RIGHT).ties == ()
    assert Tolerance() == subject().tolerance
