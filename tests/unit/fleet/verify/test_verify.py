"""A split compared with the whole model, and without it."""

import shutil

import numpy as np
import psutil
import pytest

from fleet import golden_files
from fleet.errors import (
    BadExampleError,
    BadRequestError,
    ChildTimeoutError,
    DamagedSplitError,
    NotRunnableError,
    OutputsDifferError,
)
from fleet.verify import VerifyRequest, verify
from tests.unit.fleet.verify.models import dense, describe_again, fixed_batch, scaled
from wire.errors import UnknownPluginError

SMALL = {"H": 8, "W": 8}


def test_a_split_gives_what_the_model_gives(cut, real_children):
    """Bit by bit without optimisations, and near enough with them."""
    _, folder = cut("early_and_late", at=("a",))
    report = verify(folder)

    assert report.passes
    assert report.bit_equal
    assert report.within_tolerance
    assert report.compared_with == "model"
    assert report.first_difference is None
    assert [case.name for case in report.cases] == ["golden frames"]
    assert report.cases[0].sizes == {"N": 1}
    assert report.notes == ()


@pytest.mark.parametrize("kind", ["types", "many_outputs"])
def test_every_kind_of_tensor_is_compared(cut, kind):
    """Integers, booleans, shapes, several outputs."""
    _, folder = cut(kind, stages=2)

    assert verify(folder).bit_equal


# --- examples


def test_all_examples_are_verified_in_the_same_sessions_of_one_model_at_a_time(
    cut, examples, real_children
):
    """Progress is told before each run; then no other model is in memory."""
    path, folder = cut("skips", stages=2, dims=SMALL)
    files = sorted(examples(a=(9, 8), b=(6, 6), c=(5, 12)).iterdir())
    told, children = [], []

    def progress(step):
        told.append((step.step, step.of, step.text))
        children.extend(psutil.Process().children())

    report = verify(folder, path, VerifyRequest(examples=tuple(files)), progress)

    assert [case.name for case in report.cases] == ["a.npz", "b.npz", "c.npz"]
    assert [case.shapes["x"][2:] for case in report.cases] == [(9, 8), (6, 6), (5, 12)]
    assert report.bit_equal
    names = ["whole model", "00-head", "01-tail"]
    texts = [f"{name}, optimisations {how}" for how in ("off", "on") for name in names]
    assert told == [(number + 1, 6, text) for number, text in enumerate(texts)]
    assert children == []


def test_an_example_that_the_model_does_not_run_with_is_named(cut, tmp_path):
    """With the runtime's reason; the good one beside it is not to blame."""
    path, folder = cut(fixed_batch(), stages=1, dims={"L": 5})
    for name, batch in (("a-good", 1), ("b-bad", 2)):
        np.savez(tmp_path / f"{name}.npz", x=np.ones((batch, 4, 3), np.float32))
    files = tuple(sorted(tmp_path.glob("*.npz")))

    with pytest.raises(BadExampleError, match=r"b-bad\.npz: the whole model does not run"):
        verify(folder, path, VerifyRequest(examples=files))


def test_an_example_of_another_shape_is_named_before_anything_runs(cut, examples):
    """A long verification does not end in a mistake that was there at its beginning."""
    path, folder = cut("skips", stages=2, dims=SMALL)
    place = examples(a=(9, 8))
    np.savez(place / "b.npz", x=np.ones((1, 4, 9, 8), np.float32))
    request, runs = VerifyRequest(examples=tuple(sorted(place.iterdir()))), []

    with pytest.raises(BadExampleError, match=r"b\.npz: tensor 'x' is float32\[1,4,9,8\]"):
        verify(folder, path, request, runs.append)

    assert runs == []


# --- without the model


def test_without_the_model_golden_frames_stand_in(cut, examples):
    """And the report says so; examples have no reference then."""
    path, folder = cut("skips", stages=2, dims=SMALL)
    path.unlink()
    report = verify(folder, request=VerifyRequest(sizes=3))

    assert report.bit_equal
    assert report.compared_with == "golden frames"
    assert len(report.cases) == 1
    assert "the model was not found; golden frames stood in" in report.notes[0]
    with pytest.raises(BadRequestError, match=r"a\.npz: its reference is the model"):
        verify(folder, request=VerifyRequest(examples=(examples(a=(9, 8)) / "a.npz",)))


@pytest.mark.parametrize("instead", [None, b"no model at all"])
def test_another_model_is_not_compared_with(cut, saved, instead):
    """A file that was changed since is as good as gone; naming it is a mistake."""
    path, folder = cut("skips", stages=1, dims=SMALL)
    path.write_bytes(instead or saved("chain").read_bytes())
    report = verify(folder)

    assert report.compared_with == "golden frames"
    assert "is no longer the model that was cut" in report.notes[0]
    if instead is None:
        with pytest.raises(BadRequestError, match=r"skips\.onnx that was cut"):
            verify(folder, path)


def test_a_split_can_be_moved(cut, tmp_path):
    """Nothing in it depends on where it is."""
    _, folder = cut("skips", stages=1, dims=SMALL)
    shutil.move(folder, tmp_path / "elsewhere")

    assert verify(tmp_path / "elsewhere").bit_equal


def test_a_model_that_does_not_run_is_an_error_of_its_own(cut):
    """Nothing can be said of the split; the runtime's reason is."""
    path, folder = cut(fixed_batch(), stages=1, dims={"L": 5})
    place = folder / "segments" / "00-whole"
    wrong = {"x": np.ones((2, 4, 5), np.float32)}
    golden_files.write(place, wrong, golden_files.read(place)[1])
    describe_again(folder, "00-whole")

    with pytest.raises(NotRunnableError, match=r"the whole model does not run \(Concat"):
        verify(folder, path)


def test_a_manifest_that_names_other_outputs_is_damaged(cut, forge):
    """The segments agree with it, and the model does not."""
    path, folder = cut(dense(), at=("b",))

    def renamed(segment):
        segment.graph.node[0].output[0] = segment.graph.output[0].name = "z"

    forge(folder, "01-tail", renamed)
    manifest = folder / "pipeline.json"
    manifest.write_text(manifest.read_text().replace('"name": "y"', '"name": "z"'))

    with pytest.raises(DamagedSplitError, match=r"the model gives no tensors \['z'\]"):
        verify(folder, path)


# --- verdicts


def test_half_precision_is_only_near(cut):
    """The runtime computes it in single precision between cuts; the report says how near."""
    _, folder = cut("half", stages=2)
    report = verify(folder)

    assert report.passes
    assert report.within_tolerance
    assert report.notes[0].startswith("a cut rounds float16: largest difference 0.0")


@pytest.mark.parametrize("model", ["at hand", "gone"])
def test_segments_that_give_something_else_are_found_out(cut, forge, model):
    """The error names the first tensor that differs, where it comes from, and by how much."""
    path, folder = cut(dense(), at=("b",))
    forge(folder, "00-head", scaled(1.01))
    if model == "gone":
        path.unlink()

    with pytest.raises(OutputsDifferError) as refused:
        verify(folder)

    first = refused.value.report.first_difference
    assert refused.value.exit_code == 5
    assert (first.tensor, first.stage, first.segment) == ("b", 0, "00-head")
    assert (first.shape, first.of, first.rule) == ((1, 6), 6, "bits")
    assert 0 < first.differing < 6
    assert first.max_abs_diff > 0
    assert (
        f"tensor 'b' of stage 0 (00-head), float32[1,6], is not bit-equal:"
        f" {first.differing} of 6 elements, by up to {first.max_abs_diff:.3g}; do not"
    ) in str(refused.value)


def test_an_example_that_fails_is_named_with_the_first_tensor_that_differs(cut, forge, tmp_path):
    """The whole model is looked into: golden frames do not show tensors between segments."""
    path, folder = cut(dense(), at=("b",))
    forge(folder, "00-head", scaled(1.01))
    for name in ("a", "b"):
        np.savez(tmp_path / f"{name}.npz", x=np.ones((3, 8), np.float32))
    files = tuple(sorted(tmp_path.glob("*.npz")))

    with pytest.raises(
        OutputsDifferError, match=r"'b' of .* float32\[3,6\].*with a\.npz"
    ) as refused:
        verify(folder, path, VerifyRequest(examples=files))

    assert [case.passes for case in refused.value.report.cases] == [False, False]


def test_a_large_model_is_not_looked_into(cut, forge, tmp_path, monkeypatch):
    """Then the first output that differs is named; a metric changes nothing of bits."""
    path, folder = cut(dense(), at=("b",))
    forge(folder, "00-head", scaled(1.000001))
    monkeypatch.setattr("fleet.verify.inside.MAX_MODEL_BYTES", 10)
    np.savez(tmp_path / "a.npz", x=np.ones((3, 8), np.float32))
    request = VerifyRequest(examples=(tmp_path / "a.npz",), metric="cosine")

    with pytest.raises(OutputsDifferError, match=r"'y' of stage 1 .* not bit-equal") as refused:
        verify(folder, path, request)

    report = refused.value.report
    assert (report.metric, report.passes, report.bit_equal) == ("cosine", False, False)
    assert 0.9999 <= report.score <= 1


def test_an_unknown_metric_is_refused_before_anything_runs(cut):
    """The error says which file to add."""
    _, folder = cut("skips", stages=1, dims=SMALL)

    with pytest.raises(UnknownPluginError, match=r"add fleet/metrics/psnr\.py"):
        verify(folder, request=VerifyRequest(metric="psnr"), progress=lambda _: pytest.fail("ran"))


def test_a_run_that_never_ends_is_an_error_of_its_own(cut, real_children):
    """It says nothing of the outputs."""
    path, folder = cut("skips", stages=1, dims=SMALL)

    with pytest.raises(ChildTimeoutError):
        verify(folder, path, VerifyRequest(limit_seconds=0.01))
