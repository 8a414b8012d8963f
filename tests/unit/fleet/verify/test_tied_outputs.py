"""Indices that optimisations flip: real networks whose scores are nearly the same.

A cut between a convolution and its normalisation keeps the runtime from folding them, which
changes last bits, and with them which of two equal channels is the best.
"""

import numpy as np
import pytest
from onnx import TensorProto

from fleet.errors import OutputsDifferError
from fleet.verify import evidence, verify
from fleet.verify.runs import Runs
from fleet.verify.subject import opened
from tests.unit.fleet.verify.models import I32, I64, near_ties, node, value

ARGMAX = (node("ArgMax", ["scores"], ["i"], axis=1), node("Cast", ["i"], ["y"], to=I32))


def cut_scores():
    """Return a model of an ArgMax between which and its scores' origin one can cut."""
    return near_ties(*ARGMAX, outputs=[value("y", I32, None), value("scores", shape=None)])


def test_ties_are_reported_apart_and_are_no_difference(cut):
    """Bits are equal without optimisations; with them, only the tied elements differ."""
    _, folder = cut(cut_scores(), at=("raw",))
    report = verify(folder)

    (tie,) = report.ties
    assert report.passes
    assert report.bit_equal
    assert report.within_tolerance
    assert report.max_abs_diff < 1e-4
    assert report.cases[0].ties == report.ties
    assert tie.tensor == "y"
    assert 0 < tie.count < tie.of == 16 * 16
    assert 0 < tie.largest_gap < 1e-4
    assert "ArgMax chose by" in tie.evidence


@pytest.mark.parametrize(
    ("choosers", "given"),
    [
        ([node("TopK", ["scores", "three"], ["top", "y"], axis=1)], [("y", I64), ("top", 1)]),
        (
            [
                node("ArgMin", ["scores"], ["i"], axis=1, keepdims=0),
                node("Transpose", ["i"], ["t"], perm=[2, 0, 1]),
                node("Gather", ["t", "zero"], ["g"], axis=1),
                node("Cast", ["g"], ["y"], to=TensorProto.FLOAT),
            ],
            [("y", 1)],
        ),
        (
            [
                node("Reshape", ["scores", "row"], ["s"]),
                node("NonMaxSuppression", ["boxes", "s", "many", "half", "low"], ["y"]),
            ],
            [("y", I64)],
        ),
    ],
    ids=["TopK", "ArgMin behind a Transpose, a Gather and a Cast", "NonMaxSuppression"],
)
def test_ties_are_found_where_indices_come_from(cut, choosers, given):
    """Whichever operator chose, and whatever moved its indices afterwards."""
    model = near_ties(*choosers, outputs=[value(name, kind, None) for name, kind in given])
    _, folder = cut(model, at=("raw",))
    report = verify(folder)

    assert report.passes
    assert [tie.tensor for tie in report.ties] == ["y"]


@pytest.mark.parametrize(
    ("why", "reason"), [("large", "the model is larger than 0 MB"), ("gone", "not at hand")]
)
def test_without_evidence_it_is_a_difference(cut, monkeypatch, why, reason):
    """It may be a tie, and nobody can tell: it is never waved through."""
    path, folder = cut(cut_scores(), at=("raw",))
    if why == "large":
        monkeypatch.setattr("fleet.verify.inside.MAX_MODEL_BYTES", 10)
    else:
        path.unlink()

    with pytest.raises(OutputsDifferError, match=rf"perhaps a tie, but .*{reason}") as refused:
        verify(folder)

    report = refused.value.report
    assert report.ties == ()
    assert report.bit_equal
    assert report.first_difference.tensor == "y"
    assert report.first_difference.optimisations


def test_a_difference_beside_ties_is_found(cut):
    """Only elements whose scores are as good are ties; the rest is said to be none."""
    path, folder = cut(cut_scores(), at=("raw",))
    runs = Runs(opened(folder, path), 100)
    feeds = runs.subject.golden_inputs()
    (expected,) = runs.whole([feeds], optimisations=True)
    scores, right = expected["scores"], expected["y"]
    tied = np.argwhere((right == 0) | (right == 1))
    good, bad = tied[0], tied[1]
    wrong = right.copy()
    wrong[tuple(good)] = 1 - right[tuple(good)]
    wrong[tuple(bad)] = scores.argmin(axis=1, keepdims=True)[tuple(bad)]

    found = evidence.look(runs, feeds, {"y": wrong}, {"y": right}, ["y"])

    assert np.argwhere(found.tied["y"]).tolist() == [good.tolist()]
    assert [tie.count for tie in found.ties] == [1]
    assert found.remarks["y"].startswith("no tie, ArgMax's scores are up to ")


def test_floats_that_differ_are_no_ties(cut):
    """Only what an operator chose can be one."""
    path, folder = cut(cut_scores(), at=("raw",))
    runs = Runs(opened(folder, path), 100)
    scores = np.zeros((1, 6, 16, 16), np.float32)

    found = evidence.look(runs, {}, {"scores": scores}, {"scores": scores + 1}, ["scores"])

    assert found == evidence.Found()
