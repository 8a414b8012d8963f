"""The whole of a split: the folder, the manifest, and nothing on an error."""

import json
import shutil

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from fleet import golden_files, split_folder
from fleet.errors import (
    BadExampleError,
    BadRequestError,
    DamagedSplitError,
    FolderInUseError,
    InputTooLargeError,
    InvalidCutError,
    ModelChangedError,
    NeedsExampleError,
    NoCutError,
    NotRunnableError,
    UnknownFormatError,
)
from fleet.formats import CutRequest, segment_names
from fleet.split import Presentation, split
from tests.unit.fleet.conftest import F, model, node, value
from wire import manifest
from wire.errors import BadIdError, ManifestError
from wire.manifest import INPUT, OUTPUT, Answer, Picture, Tolerance
from wire.model.errors import ModelError

pytestmark = pytest.mark.usefixtures("in_process")


def files(folder):
    """Return every file below a folder with its content."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_folder_holds_manifest_report_and_segments(
    saved, tmp_path, run_whole, run_chain, real_children
):
    """As the layout says; the manifest on disk is the one returned; the segments are the model."""
    path, out = saved("skips"), tmp_path / "out"

    made = split(path, out, CutRequest(stages=3, balance="flops", dims={"H": 10, "W": 12}))

    names = ["00-head", "01-body", "02-tail"]
    assert sorted(files(out)) == sorted(
        ["chunks.json", "pipeline.json", "split.json"]
        + [
            f"segments/{name}/{file}"
            for name in names
            for file in ("segment.onnx", "weights.bin", "golden.frame")
        ]
    )
    assert split_folder.read(out) == made
    assert (out / "pipeline.json").read_bytes() == manifest.encode(made)
    assert [(edge.source, edge.target) for edge in made.edges] == [
        (INPUT, "00-head"),
        ("00-head", "01-body"),
        ("01-body", "02-tail"),
        ("02-tail", OUTPUT),
    ]
    feeds, expected = run_whole(path, {"H": 9, "W": 7})
    assert run_chain(out / "segments", feeds)["y"].tobytes() == expected["y"].tobytes()


def test_the_manifest_tells_types_shapes_and_sizes(saved, tmp_path):
    """Dynamic dimensions keep their names where the model gives them one."""
    made = split(saved("early_and_late"), tmp_path / "out", CutRequest(at=("a",)))
    tensors = [[(t.name, t.dtype, t.shape) for t in edge.tensors] for edge in made.edges]

    assert tensors == [
        [("x", 1, ("N", 8)), ("late", 1, ("N", 8)), ("unread", 1, ("N",))],
        [("late", 1, ("N", 8)), ("early", 1, ("N", 8)), ("a", 1, ("N", 8))],
        [("early", 1, ("N", 8)), ("y", 1, ("N", 8))],
    ]
    assert [segment.operators for segment in made.segments] == [2, 3]
    assert made.model.name == "early_and_late.onnx"
    assert made.name == "early_and_late"


def test_weights_and_peak_are_told(saved, tmp_path):
    """A device can decide whether a segment fits before it fetches it."""
    made = split(saved("chain"), tmp_path / "out", CutRequest(at=("b",), dims={"N": 2}))
    head, tail = made.segments

    assert head.weight_bytes == 8 * 512 * 4
    assert tail.weight_bytes == (512 * 600 + 600 + 600 * 4) * 4
    assert head.peak_bytes == head.weight_bytes + 2 * (512 + 512) * 4
    assert head.tolerance.relative == Tolerance().relative


def test_golden_frames_hold_what_the_whole_model_gives(saved, tmp_path, run_whole):
    """Inputs and outputs of each segment, for one sample, under their own names."""
    x = np.linspace(-1, 1, 48, dtype=np.float32).reshape(6, 8)
    example = {"x": x, "late": x * 2, "unread": np.zeros(6, np.float32)}
    np.savez(tmp_path / "example.npz", **example)

    made = split(
        saved("early_and_late"),
        tmp_path / "out",
        CutRequest(at=("a",), example=tmp_path / "example.npz"),
    )
    head, tail = (golden_files.read(split_folder.segment_folder(tmp_path / "out", s))
                  for s in made.segments)  # fmt: skip

    assert [list(side) for side in head] == [["x"], ["early", "a"]]
    assert [list(side) for side in tail] == [["late", "a"], ["y"]]
    np.testing.assert_array_equal(head[1]["early"], np.maximum(x, 0))
    np.testing.assert_array_equal(head[1]["a"], tail[0]["a"])
    np.testing.assert_array_equal(tail[0]["late"], x * 2)


def test_the_same_model_gives_the_same_digests(saved, tmp_path):
    """Manifest and every file, golden frames included."""
    path = saved("types")
    first, again = (
        split(path, tmp_path / name, CutRequest(stages=2, balance="flops"))
        for name in ("first", "again")
    )

    assert first.digest == again.digest
    assert files(tmp_path / "first") == files(tmp_path / "again")


def test_segments_say_where_they_come_from(saved, tmp_path):
    """The model's digest and the cuts are in the segment itself."""
    made = split(saved("early_and_late"), tmp_path / "out", CutRequest(at=("a",)))
    path = tmp_path / "out" / "segments" / "00-head" / "segment.onnx"
    said = {entry.key: entry.value for entry in onnx.load(path).metadata_props}

    assert said["paceline.source"] == made.model.sha256
    assert json.loads(said["paceline.cut_in"]) == ["x"]
    assert json.loads(said["paceline.cut_out"]) == ["early", "a"]


def test_the_report_is_for_people(saved, tmp_path):
    """Where the model was, what crosses, and what was guessed."""
    path = saved("constants")
    split(path, tmp_path / "out", CutRequest(at=("b",)))
    report = split_folder.read_report(tmp_path / "out")

    assert report.source == str(path)
    assert report.cuts == (("b",),)
    assert report.cut_bytes == (64 * 4,)
    assert len(report.multiply_accumulates) == 2
    guessed, held, computed = report.notes
    assert guessed == "sizes guessed for the reference run: N=1"
    assert "'w' in 00-head, 01-tail" in held
    assert computed.endswith("several segments compute: 1")


def test_the_manifest_says_which_cuts_were_searched(saved, tmp_path):
    """All downsets of a small graph; none where the user names them."""
    path = saved("skips")
    chosen = split(path, tmp_path / "chosen", CutRequest(stages=2, balance="flops"))
    named = split(path, tmp_path / "named", CutRequest(at=("d",)))

    assert (chosen.cut_space, named.cut_space) == ("downsets", "named")


def test_types_and_shapes_that_cannot_be_inferred_are_measured(saved, tmp_path, make_model):
    """A shape that depends on values is known from a run, and left open in the manifest."""
    node = helper.make_node
    graph = helper.make_graph(
        [
            node("NonZero", ["x"], ["places"]),
            node("Shape", ["places"], ["shape"]),
            node("ConstantOfShape", ["shape"], ["zeros"]),
            node("Cos", ["zeros"], ["y"]),
        ],
        "g",
        [helper.make_tensor_value_info("x", 1, [4])],
        [helper.make_tensor_value_info("y", 1, None)],
    )
    path = saved(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    )

    made = split(path, tmp_path / "out", CutRequest(at=("places", "zeros")))

    assert [spec.shape for edge in made.edges for spec in edge.tensors] == [
        (4,), (1, ""), (1, ""), (1, ""),
    ]  # fmt: skip


def test_half_precision_gets_a_tolerance_of_its_own(saved, tmp_path):
    """float16 cannot hold what the default asks for."""
    made = split(saved("half"), tmp_path / "out", CutRequest(stages=2, balance="flops"))

    assert {segment.tolerance.relative for segment in made.segments} == {1e-2}


def test_how_pictures_come_in_is_put_into_the_manifest(saved, tmp_path):
    """`preprocess` names an input and gives it a layout; `postprocess` names an output."""
    picture = Picture(input="x", width=8, height=8)
    answer = Answer(kind="labels", output="y")

    made = split(
        saved("skips"),
        tmp_path / "out",
        presentation=Presentation(name="mine", preprocess=picture, postprocess=answer),
    )

    assert (made.name, made.preprocess, made.postprocess) == ("mine", picture, answer)
    assert made.inputs[0].layout == "NCHW"


def test_an_earlier_split_is_replaced(saved, tmp_path):
    """By the new one, whole; nothing of the old one stays, and nothing beside it."""
    path, out = saved("skips"), tmp_path / "here" / "out"
    split(path, out, CutRequest(stages=3, balance="flops"))

    split(path, out, CutRequest(stages=1))

    assert [p.name for p in (out / "segments").iterdir()] == ["00-whole"]
    assert [p.name for p in out.parent.iterdir()] == ["out"]


@pytest.mark.parametrize("what", ["file", "link", "other things"])
def test_what_is_not_ours_is_not_replaced(saved, tmp_path, what):
    """A file, a link or a folder of something else stays as it is."""
    out = tmp_path / "out"
    match what:
        case "file":
            out.write_text("mine")
        case "link":
            (tmp_path / "other").mkdir()
            out.symlink_to(tmp_path / "other")
        case _:
            out.mkdir()
            (out / "mine.txt").write_text("mine")

    with pytest.raises(FolderInUseError, match="nothing was written"):
        split(saved("skips"), out)

    if what == "other things":
        assert [p.name for p in out.iterdir()] == ["mine.txt"]


def test_an_unwritable_place_is_an_error_with_its_path(saved, tmp_path):
    """A file stands where a folder should be."""
    (tmp_path / "file").write_text("")

    with pytest.raises(FolderInUseError, match="cannot be written"):
        split(saved("skips"), tmp_path / "file" / "out")


def unrunnable(make_model):
    """A model that no runtime takes: the operator does not exist."""
    model = make_model("skips")
    model.graph.node[1].op_type = "NoSuchOperator"
    return model


def picky(make_model):
    """A model that runs for few sizes of its dynamic input only."""
    model = make_model("early_and_late")
    model.graph.node[2].CopyFrom(helper.make_node("Reshape", ["a", "seven"], ["b"]))
    model.graph.initializer.append(helper.make_tensor("seven", 7, [2], [7, 8]))
    return model


ERRORS = {
    "no format": (None, {}, UnknownFormatError, 3),
    "no file": (None, {}, ModelError, 3),
    "no model": (None, {}, ModelError, 3),
    "no such operator": (unrunnable, {}, NotRunnableError, 3),
    "picky": (picky, {}, NeedsExampleError, 3),
    "stages": ("skips", {"stages": 99}, NoCutError, 4),
    "dims": ("skips", {"dims": {"Q": 1}}, BadRequestError, 2),
    "example": ("skips", {"example": True}, BadExampleError, 3),
}


@pytest.mark.parametrize("case", ERRORS)
def test_nothing_is_written_on_an_error(saved, tmp_path, make_model, case):
    """Each has its code and exit code, names the culprit, and leaves no trace."""
    what, request, error, exit_code = ERRORS[case]
    path = tmp_path / ("model.txt" if case == "no format" else "model.onnx")
    if case == "no model":
        path.write_bytes(b"junk")
    elif what:
        path = saved(what(make_model) if callable(what) else what)
    if "example" in request:
        request = {"example": tmp_path / "none.npz"}
    before = sorted(tmp_path.iterdir())

    with pytest.raises(error) as refused:
        split(path, tmp_path / "out", CutRequest(**{"balance": "flops", **request}))

    assert refused.value.exit_code == exit_code
    assert ";" in str(refused.value)
    assert sorted(tmp_path.iterdir()) == before


def test_a_model_that_no_runtime_takes_is_told_without_what_is_true_of_segments(
    saved, tmp_path, make_model
):
    """Neither where it was tried out, nor to split it again."""
    with pytest.raises(NotRunnableError, match=r"NoSuchOperator.*export it again$") as refused:
        split(saved(unrunnable(make_model)), tmp_path / "out", CutRequest(balance="flops"))

    assert "scratch" not in str(refused.value)
    assert "split the model again" not in str(refused.value)


def test_a_picky_model_says_what_was_guessed(saved, tmp_path, make_model):
    """And runs when it is given the size that it wants."""
    path = saved(picky(make_model))

    with pytest.raises(NeedsExampleError, match=r"guessed sizes N=1 .*--dim NAME=N"):
        split(path, tmp_path / "out")
    assert split(path, tmp_path / "out", CutRequest(stages=2, balance="flops", dims={"N": 7}))


@pytest.mark.parametrize(
    ("presentation", "error"),
    [
        (Presentation(name="Not An Id"), BadIdError),
        (Presentation(preprocess=Picture(input="q", width=1, height=1)), BadRequestError),
        (Presentation(postprocess=Answer(kind="labels", output="q")), BadRequestError),
    ],
)
def test_a_presentation_that_does_not_fit_is_refused(saved, tmp_path, presentation, error):
    """Names that are no ids, inputs and outputs that the model does not have."""
    with pytest.raises(error):
        split(saved("skips"), tmp_path / "out", presentation=presentation)

    assert not (tmp_path / "out").exists()


def test_segment_names_sort_in_their_order():
    """However many there are, and each is an id."""
    assert segment_names(1) == ("00-whole",)
    assert segment_names(2) == ("00-head", "01-tail")
    assert list(segment_names(120)) == sorted(segment_names(120))


@pytest.fixture(scope="module")
def split_once(tmp_path_factory):
    """One split that tests may copy and damage."""
    folder = tmp_path_factory.mktemp("once")
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["a"]), helper.make_node("Neg", ["a"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", 1, [4])],
        [helper.make_tensor_value_info("y", 1, [4])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, folder / "model.onnx")
    split(folder / "model.onnx", folder / "out", CutRequest(stages=2, balance="flops"))
    return folder / "out"


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda p: p.unlink(), "cannot be read"),
        (lambda p: p.write_bytes(p.read_bytes() + b"x"), "bytes"),
        (lambda p: p.write_bytes(p.read_bytes()[:-1] + b"\xff"), "sha256"),
    ],
    ids=["missing", "longer", "changed"],
)
def test_a_damaged_split_is_named_by_the_file(split_once, tmp_path, damage, problem):
    """Before anything of it is used."""
    folder = shutil.copytree(split_once, tmp_path / "copy")
    damage(folder / "segments" / "01-tail" / "golden.frame")

    with pytest.raises(DamagedSplitError, match=rf"01-tail/golden\.frame.*{problem}"):
        split_folder.read(folder)


def test_a_folder_without_a_manifest_is_no_split(split_once, tmp_path):
    """Missing or malformed."""
    folder = shutil.copytree(split_once, tmp_path / "copy")
    (folder / "pipeline.json").write_text("{}")
    with pytest.raises(ManifestError):
        split_folder.read(folder)

    (folder / "pipeline.json").unlink()
    with pytest.raises(DamagedSplitError, match=r"pipeline\.json"):
        split_folder.read(folder)


def test_a_report_that_is_damaged_is_none(split_once, tmp_path):
    """It only helps people; nothing depends on it."""
    folder = shutil.copytree(split_once, tmp_path / "copy")
    (folder / "split.json").write_text("{")

    assert split_folder.read_report(folder) is None


@pytest.mark.parametrize("place", [".", "segments", "segments/00-head"])
def test_what_no_split_wrote_is_never_replaced(saved, tmp_path, place):
    """A file that somebody put into a split's folder stays, wherever it is; so does the model."""
    path, out = saved("skips"), tmp_path / "out"
    request = CutRequest(stages=2, balance="flops")
    split(path, out, request)
    (out / place / "thesis.txt").write_text("precious")

    with pytest.raises(FolderInUseError, match=r"thesis\.txt"):
        split(path, out, request)

    assert (out / place / "thesis.txt").read_text() == "precious"


def test_a_file_of_the_manifests_name_makes_no_split(saved, tmp_path):
    """The folder of somebody's own pipeline.json is not ours to replace."""
    out = tmp_path / "mine"
    out.mkdir()
    (out / "pipeline.json").write_text('{"my":"file"}')

    with pytest.raises(FolderInUseError):
        split(saved("skips"), out, CutRequest(stages=2, balance="flops"))

    assert (out / "pipeline.json").read_text() == '{"my":"file"}'


@pytest.mark.parametrize("name", ["-h", "--outputs", "a\0b", "a b", "../x", "a+b", "ä"])
def test_tensors_may_have_any_name(saved, tmp_path, run_whole, run_chain, name):
    """Names are data: never an option, a path or the end of a string."""
    made = model(
        [node("Relu", ["x"], [name]), node("Neg", [name], ["y"])], [value("x")], [value("y")]
    )
    path = saved(made)

    split(path, tmp_path / "out", CutRequest(stages=2, balance="flops"))

    feeds, expected = run_whole(path)
    got = run_chain(tmp_path / "out" / "segments", feeds)
    assert got["y"].tobytes() == expected["y"].tobytes()


def test_a_tensor_whose_rank_depends_on_sizes_does_not_cross(saved, tmp_path):
    """Squeeze takes a batch of one away, and no segment could say what it takes."""
    made = model(
        [
            node("Relu", ["x"], ["a"]),
            node("Squeeze", ["a"], ["s"]),
            node("Neg", ["s"], ["n"]),
            node("Exp", ["n"], ["y"]),
        ],
        [value("x", F, ("N", 4))],
        [value("y", F, None)],
    )
    path = saved(made)

    split(path, tmp_path / "out", CutRequest(stages=2, balance="flops"))

    assert split_folder.read_report(tmp_path / "out").cuts == (("a",),)
    with pytest.raises(NoCutError):
        split(path, tmp_path / "three", CutRequest(stages=3, balance="flops"))
    with pytest.raises(InvalidCutError, match="number of dimensions"):
        split(path, tmp_path / "named", CutRequest(at=("n",)))


def test_outputs_that_may_not_travel_are_refused_at_once(saved, tmp_path):
    """Strings and sequences are named, before anything runs."""
    strings = model(
        [node("Identity", ["words"], ["y"])],
        [value("x")],
        [value("y", TensorProto.STRING, (1,))],
        [helper.make_tensor("words", TensorProto.STRING, [1], [b"a"])],
    )

    with pytest.raises(ModelError, match="output 'y': is of a type that may not travel"):
        split(saved(strings), tmp_path / "out", CutRequest(stages=1))


def test_too_many_inputs_and_too_large_ones_are_refused_at_once(saved, tmp_path):
    """With the number that is possible; nothing is allocated for a claim."""
    many = model(
        [node("Sum", [f"x{n}" for n in range(200)], ["y"])],
        [value(f"x{n}") for n in range(200)],
        [value("y")],
    )
    huge = model([node("Relu", ["x"], ["y"])], [value("x", F, (1 << 40,))], [value("y", F, None)])

    with pytest.raises(ModelError, match=r"200 inputs \(at most 128"):
        split(saved(many), tmp_path / "out", CutRequest(stages=1))
    with pytest.raises(InputTooLargeError, match="4398046511104 bytes"):
        split(saved(huge), tmp_path / "out", CutRequest(stages=1))


@pytest.mark.parametrize("beside", [False, True], ids=["the file", "weights beside it"])
def test_a_model_that_changes_meanwhile_is_refused(saved, tmp_path, beside):
    """What was read of two models is none: nothing is written."""
    path = saved("chain", save_as_external_data=beside, location="w.data", size_threshold=0)
    changing = tmp_path / ("w.data" if beside else path.name)

    def tell(_):
        changing.write_bytes(changing.read_bytes() + b"0")

    with pytest.raises(ModelChangedError, match=r"changed while it was read; try again"):
        split(path, tmp_path / "out", CutRequest(stages=2, balance="flops"), tell=tell)

    assert not (tmp_path / "out").exists()
