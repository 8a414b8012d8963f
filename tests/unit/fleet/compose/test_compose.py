"""Stages become a pipeline whose folder is as a split's."""

from dataclasses import replace

import numpy as np
import pytest
from onnx import TensorProto, helper

from fleet import children, golden_files, split_folder
from fleet.children import RunOptions
from fleet.compose.borders.onnx import OnnxBorder
from fleet.compose.compose import ComposeRequest, compose
from fleet.compose.contract import Transpose
from fleet.compose.errors import (
    AdapterWrongError,
    ContractError,
    StageError,
    UnmatchedError,
)
from fleet.compose.stages import Given, Layout, Reading
from fleet.compose.travel import travel
from fleet.compose.writing import Writer
from fleet.errors import (
    BadRequestError,
    DamagedSplitError,
    OutputsDifferError,
    UnknownFormatError,
)
from fleet.formats import CutRequest
from fleet.split import Presentation, split
from fleet.verify import verify
from fleet.verify.runs import Runs
from fleet.verify.subject import Subject
from tests.fixtures.stages import (
    onnx_conv,
    tflite_conv,
    tflite_int8,
    tflite_int8_conv,
    tflite_relu,
    write_onnx,
)
from tests.fixtures.tflite_builder import TfliteModel
from tests.fixtures.tflite_models import compiled
from tests.unit.fleet.verify.models import describe_again

pytestmark = pytest.mark.usefixtures("in_process")
X = np.random.default_rng(5).random((1, 3, 6, 5), np.float32)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder of stages: a.onnx, b.tflite, q.tflite (int8), c.onnx stand behind each other."""
    folder = tmp_path_factory.mktemp("models")
    onnx_conv(folder / "a.onnx", 3, 4)
    onnx_conv(folder / "b.onnx", 4, 8, batch="B")
    tflite_conv(folder / "b.tflite", 4, 8)
    tflite_int8(folder / "q.tflite", (1, 6, 5, 8), of=(0.02, -3))
    onnx_conv(folder / "c.onnx", 8, 2, names=("in", "out"))
    return folder


def composed(out, *stages, given=None, **more):
    """Compose and return the report."""
    return compose(ComposeRequest(stages=stages, out=out, given=given or Given(), **more))


def test_formats_meet(models, tmp_path):
    """What numpy would do between the stages is inside their segments, on the ONNX side."""
    stages = [models / "a.onnx", models / "b.tflite", models / "c.onnx"]

    report = composed(tmp_path / "mixed", *stages)

    assert [(s.segment, s.format) for s in report.stages] == [
        ("00-a", "onnx"), ("01-b", "tflite"), ("02-c", "onnx"),
    ]  # fmt: skip
    assert [(j.adapter, j.adapter_in, j.quanta_apart) for j in report.joints] == [
        ("transpose 0,2,3,1", "00-a", 0),
        ("transpose 0,3,1,2", "02-c", 0),
    ]
    assert report.max_abs_diff == 0
    made = split_folder.read(tmp_path / "mixed")
    assert (made.name, made.digest, made.cut_space) == ("mixed", report.digest, "composed")
    assert [spec.shape for spec in (*made.inputs, *made.outputs)] == [
        ("N", 3, 6, 5), ("N", 2, 6, 5),
    ]  # fmt: skip


def test_answers_are_those_of_the_same_net_in_one_format(models, tmp_path):
    """On several inputs, and with real ones where they are given."""
    np.savez(tmp_path / "x.npz", x=X)
    given = Given(request=CutRequest(example=tmp_path / "x.npz"))
    onnx_only = [models / "a.onnx", models / "b.onnx", models / "c.onnx"]
    composed(tmp_path / "one", *onnx_only, given=given)

    report = composed(
        tmp_path / "mixed", models / "a.onnx", models / "b.tflite", models / "c.onnx", given=given
    )

    _, expected = golden_files.read(tmp_path / "one" / "segments" / "02-c")
    taken, _ = golden_files.read(tmp_path / "mixed" / "segments" / "00-a")
    _, got = golden_files.read(tmp_path / "mixed" / "segments" / report.stages[-1].segment)
    assert np.array_equal(taken["x"], X)
    assert np.allclose(got["out"], expected["out"], rtol=1e-5, atol=1e-6)


def test_frames_may_come_in_batches(models, tmp_path):
    """A size that every stage leaves open is open, adapters included."""
    stages = [models / "a.onnx", models / "b.tflite", models / "c.onnx"]
    composed(tmp_path / "mixed", *stages)
    composed(tmp_path / "one", models / "a.onnx", models / "b.onnx", models / "c.onnx")
    batch = {"x": np.concatenate([X, X[..., ::-1], X * 2])}

    (got,), (expected,) = (
        Runs(Subject(folder, split_folder.read(folder), None), 60.0).chain(
            [batch], optimisations=False
        )
        for folder in (tmp_path / "mixed", tmp_path / "one")
    )

    assert got["out"].shape == (3, 2, 6, 5)
    assert np.allclose(got["out"], expected["out"], rtol=1e-5, atol=1e-6)


def test_the_pipelines_input_is_adapted_where_it_is_read(models, tmp_path):
    """A later stage of another format may take it too."""
    value = helper.make_tensor_value_info
    shapes = {"picture": [1, 4, 6, 5], "y": [1, 4, 6, 5]}
    values = [value(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    relu = helper.make_node("Relu", ["picture"], ["y"])
    write_onnx(tmp_path / "first.onnx", [relu], values[:1], values[1:])
    model = TfliteModel()
    taken = [model.tensor(name, (1, 6, 5, 4)) for name in ("y", "picture")]
    given = model.tensor("sum", (1, 6, 5, 4))
    model.operator("ADD", taken, [given], kind="Add")
    model.graph.inputs, model.graph.outputs = taken, [given]
    (tmp_path / "add.tflite").write_bytes(model.data())

    report = composed(tmp_path / "out", tmp_path / "first.onnx", tmp_path / "add.tflite")

    assert [(j.maker, j.adapter_in) for j in report.joints] == [
        ("00-first", "00-first"), ("input", "01-add"),
    ]  # fmt: skip
    assert verify(tmp_path / "out").passes


def test_one_model_may_stand_there_twice_and_a_folder_be_made_of_itself(models, tmp_path):
    """Stages are told apart by their places; the old folder is read before it is replaced."""
    tflite_relu(tmp_path / "r.tflite", (1, 6, 5, 4))
    composed(tmp_path / "out", tmp_path / "r.tflite", tmp_path / "r.tflite")
    again = [tmp_path / "out" / "segments" / name for name in ("00-r", "01-r", "00-r")]

    report = composed(tmp_path / "out", *again)

    assert [stage.segment for stage in report.stages] == ["00-r", "01-r", "02-r"]
    assert verify(tmp_path / "out").passes


def test_integers_stand_for_floats_between(models, tmp_path):
    """An int8 stage gets its scale before, and leaves with it; a step more or less is allowed."""
    stages = [models / "b.onnx", models / "q.tflite", models / "c.onnx"]

    report = composed(tmp_path / "mixed", *stages)

    assert [j.adapter for j in report.joints] == [
        "quantize to int8 (scale 0.02, zero point -3), then transpose 0,2,3,1",
        "transpose 0,3,1,2, then dequantize (scale 0.02, zero point -3)",
    ]
    made = split_folder.read(tmp_path / "mixed")
    assert [edge.tensors[0].dtype for edge in made.edges] == [1, 3, 3, 1]
    assert [bool(segment.quanta) for segment in made.segments] == [True, True, False]
    _, floats = golden_files.read(tmp_path / "mixed" / "segments" / "00-b")
    (integers,) = floats.values()
    assert -3 < integers.mean() < 127  # they are no rounded-off zeros


@pytest.mark.parametrize("stages", [("b.tflite", "q.tflite"), ("q.tflite", "b2.tflite")])
def test_tflite_stages_adapt_to_each_other(models, tmp_path, stages):
    """With TFLite's own operators."""
    tflite_conv(models / "b2.tflite", 8, 4)

    report = composed(tmp_path / "both", *(models / name for name in stages))

    (joint,) = report.joints
    assert joint.steps
    assert joint.quanta_apart <= 1
    assert verify(tmp_path / "both").passes


def test_verify_compares_with_the_golden_frames_and_says_so(models, tmp_path):
    """There is no whole model, and none is looked for."""
    composed(tmp_path / "mixed", models / "a.onnx", models / "b.tflite")

    report = verify(tmp_path / "mixed")

    assert (report.compared_with, report.bit_equal, report.passes) == ("golden frames", True, True)
    assert report.notes[0].startswith("the stages were given, so there is no whole model")
    with pytest.raises(BadRequestError, match="compose --reference MODEL"):
        verify(tmp_path / "mixed", models / "a.onnx")


def test_verify_allows_each_stage_what_its_manifest_says(models, tmp_path):
    """Quantised kernels round elsewhere once they are optimised; beyond that, it is named."""
    stages = models / "a.onnx", tflite_int8_conv(models / "i.tflite", 4, 8), models / "c.onnx"
    report = composed(tmp_path / "mixed", *stages)
    assert verify(tmp_path / "mixed").passes

    place = tmp_path / "mixed" / "segments" / report.stages[1].segment
    taken, given = golden_files.read(place)
    ((name, array),) = given.items()
    golden_files.write(place, taken, {name: np.clip(array + np.int8(9), 0, 100).astype(np.int8)})
    describe_again(tmp_path / "mixed", place.name)

    with pytest.raises(OutputsDifferError, match=rf"'{name}' of stage 1 \({place.name}\)"):
        verify(tmp_path / "mixed")


def test_segments_of_splits_are_stages(models, tmp_path):
    """One net, cut at the same place in both formats, is put together of both by names."""
    nodes = [
        helper.make_node("Relu", ["x"], ["middle:0"]),
        helper.make_node("Relu", ["middle:0"], ["y"]),
    ]
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 4, 6, 5]) for n in "xy"]
    write_onnx(tmp_path / "whole.onnx", nodes, values[:1], values[1:])
    split(tmp_path / "whole.onnx", tmp_path / "cut", CutRequest(at=("middle:0",)), Presentation())
    tflite_relu(tmp_path / "tail.tflite", (1, 6, 5, 4), names=("middle", "z"))

    report = composed(
        tmp_path / "mixed",
        tmp_path / "cut" / "segments" / "00-head",
        tmp_path / "tail.tflite",
        reference=tmp_path / "whole.onnx",
    )

    assert report.stages[0].segment == "00-head"
    assert [(j.matched_by, j.tensor) for j in report.joints] == [("name", "middle")]
    assert (report.reference.samples, report.reference.figures.max_abs) == (4, 0)


def test_a_compiled_segment_stays_compiled_while_its_border_is_as_it_was(models, tmp_path):
    """Adapters go to its neighbours; where the segment itself must change, it says so."""
    split(models / "b.tflite", tmp_path / "cut", CutRequest(stages=1), Presentation())
    place = tmp_path / "cut" / "segments" / "00-whole"
    (place / "segment_edgetpu.tflite").write_bytes(compiled())
    describe_again(tmp_path / "cut", place.name)
    onnx_conv(tmp_path / "first.onnx", 3, 4, names=("picture", "features"))

    kept = composed(tmp_path / "kept", tmp_path / "first.onnx", place)
    lost = composed(tmp_path / "lost", place, models / "q.tflite")

    files = [split_folder.read(tmp_path / name).segments for name in ("kept", "lost")]
    assert "segment_edgetpu.tflite" in {file.name for file in files[0][1].files}
    assert files[0][1].quanta == 2
    assert "segment_edgetpu.tflite" not in {file.name for file in files[1][0].files}
    assert not any("compile" in note for note in kept.notes)
    assert any("compile the segment again" in note for note in lost.notes)


class Careless(OnnxBorder):
    """Writes adapters that reverse all dimensions."""

    def alone(self, model, like, made, steps):
        """Write another adapter alone."""
        super().alone(model, like, made, [Transpose((3, 2, 1, 0))])


def test_an_adapter_that_does_something_else_is_found(models, tmp_path):
    """Numpy is asked before anything is kept."""
    reading = Reading(Given(), tmp_path, tmp_path / "scratch")
    (tmp_path / "scratch").mkdir()
    for name in ("a.onnx", "b.tflite"):
        reading.read(models / name, lambda _: None)
    travels = travel([stage.face for stage in reading.stages], reading.joints)
    stage = replace(reading.stages[0], border=Careless())

    with pytest.raises(AdapterWrongError, match="segment 00-a"):
        Writer(reading.stages, travels, reading.scratch).write(stage, lambda _: None)


def test_a_damaged_segment_is_no_stage(models, tmp_path):
    """What a split wrote is checked before it is taken."""
    split(models / "a.onnx", tmp_path / "cut", CutRequest(stages=1), Presentation())
    file = tmp_path / "cut" / "segments" / "00-whole" / "weights.bin"
    file.write_bytes(file.read_bytes() + b"x")

    with pytest.raises(DamagedSplitError):
        composed(tmp_path / "mixed", tmp_path / "cut" / "segments" / "00-whole")


def test_tensors_pass_stages_that_do_not_read_them(models, tmp_path):
    """A skip connection between given stages crosses what is between."""
    value = helper.make_tensor_value_info
    shape = ["N", 8, 6, 5]
    add = helper.make_node("Add", ["y", "skip"], ["sum"])
    both = [value(name, TensorProto.FLOAT, shape) for name in ("y", "skip")]
    write_onnx(tmp_path / "add.onnx", [add], both, [value("sum", TensorProto.FLOAT, shape)])
    onnx_conv(tmp_path / "skip.onnx", 4, 8, names=("x", "skip"))
    onnx_conv(tmp_path / "next.onnx", 8, 8, names=("skip", "y"))

    composed(tmp_path / "out", *(tmp_path / f"{n}.onnx" for n in ("skip", "next", "add")))

    made = split_folder.read(tmp_path / "out")
    assert [[t.name for t in edge.tensors] for edge in made.edges] == [
        ["x"], ["skip"], ["skip", "y"], ["sum"],
    ]  # fmt: skip
    assert verify(tmp_path / "out").passes


def test_a_stage_that_nobody_reads_is_refused(models, tmp_path):
    """A later stage found its tensor's name before it; nothing is written."""
    onnx_conv(tmp_path / "skipped.onnx", 4, 4, names=("y", "other"))
    onnx_conv(tmp_path / "last.onnx", 4, 2, names=("y", "z"))

    with pytest.raises(StageError, match=r"skipped.onnx: nobody reads what it gives \(other\)"):
        composed(
            tmp_path / "out", models / "a.onnx", tmp_path / "skipped.onnx", tmp_path / "last.onnx"
        )
    assert not (tmp_path / "out").exists()


def test_two_models_may_use_the_same_names(models, tmp_path):
    """They are told apart on the way."""
    composed(tmp_path / "out", models / "a.onnx", models / "b.onnx")

    made = split_folder.read(tmp_path / "out")
    assert [[t.name for t in edge.tensors] for edge in made.edges] == [["x"], ["y.1"], ["y"]]


def test_a_stage_that_fixes_a_size_fixes_it_at_the_entry(models, tmp_path):
    """Else a client could send what a later stage refuses."""
    composed(tmp_path / "out", models / "b.onnx", models / "q.tflite")

    made = split_folder.read(tmp_path / "out")
    assert [spec.shape for spec in made.inputs] == [(1, 4, 6, 5)]


def test_the_same_stages_give_the_same_pipeline(models, tmp_path):
    """Digests tell what is new; the folder of an earlier composition is replaced."""
    stages = models / "a.onnx", models / "b.tflite"

    first = composed(tmp_path / "out", *stages)
    again = composed(tmp_path / "out", *stages)

    assert first.digest == again.digest


SQUARE = [1, 8, 8, 8]


def test_a_layout_is_asked_for_where_shapes_do_not_tell(tmp_path):
    """And then obeyed."""
    onnx_conv(tmp_path / "a.onnx", 8, 8, batch=1, sides=(8, 8))
    tflite_relu(tmp_path / "b.tflite", SQUARE, names=("in", "out"))
    stages = tmp_path / "a.onnx", tmp_path / "b.tflite"

    with pytest.raises(ContractError, match=r"--layout 0:y=NCHW"):
        composed(tmp_path / "out", *stages)
    report = composed(tmp_path / "out", *stages, given=Given(layouts=(Layout(0, "y", "NCHW"),)))

    assert report.joints[0].adapter == "transpose 0,2,3,1"


@pytest.mark.parametrize(
    ("layout", "problem"),
    [
        (Layout(None, "none", "NCHW"), "no stage takes or gives that"),
        (Layout(1, "x", "NCHW"), "no stage takes or gives that"),
        (Layout(None, "x", "NCW"), "has 4 dimensions"),
    ],
)
def test_a_layout_of_nothing_is_refused(models, tmp_path, layout, problem):
    """A typing error would go unnoticed."""
    with pytest.raises(BadRequestError, match=problem):
        composed(tmp_path / "out", models / "a.onnx", given=Given(layouts=(layout,)))


def test_stages_that_do_not_fit_are_refused_with_both_sides(models, tmp_path):
    """Nothing is written."""
    with pytest.raises(ContractError, match=r"float32\[N,2,6,5\].*float32\[N,3,6,5\]"):
        composed(tmp_path / "out", models / "c.onnx", models / "a.onnx")
    assert not (tmp_path / "out").exists()


def test_a_tensor_that_nothing_gives_is_refused(models, tmp_path):
    """By its name."""
    value = helper.make_tensor_value_info
    values = [value(name, TensorProto.FLOAT, ["N", 4, 6, 5]) for name in ("y", "other", "sum")]
    add = helper.make_node("Add", ["y", "other"], ["sum"])
    write_onnx(tmp_path / "add.onnx", [add], values[:2], values[2:])

    with pytest.raises(UnmatchedError, match="'other'"):
        composed(tmp_path / "out", models / "a.onnx", tmp_path / "add.onnx")


def test_what_is_no_stage_is_refused(models, tmp_path):
    """A folder without a segment, a file of another kind, none at all."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "x.txt").write_text("x")

    with pytest.raises(StageError, match="holds no segment"):
        composed(tmp_path / "out", tmp_path / "folder")
    with pytest.raises(UnknownFormatError):
        composed(tmp_path / "out", tmp_path / "x.txt")
    with pytest.raises(StageError, match="0 stages"):
        composed(tmp_path / "out")


def test_the_pipelines_input_reaches_its_reader_as_it_wants_it(models, tmp_path):
    """A segment with its adapter runs by itself with what the manifest says."""
    composed(tmp_path / "mixed", models / "a.onnx", models / "b.tflite")
    made = split_folder.read(tmp_path / "mixed")
    first = tmp_path / "mixed" / "segments" / made.segments[0].name

    (got,) = children.run(first, [{"x": X}], RunOptions()).outputs

    assert {name: array.shape for name, array in got.items()} == {"x.1": (1, 6, 5, 4)}
