"""Models that other splitters stumble over: each is cut, bit-equal, and said what is to be said."""

import json
import re

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from fleet import chunks, split_folder
from fleet.chunks import ChunkIndex
from fleet.formats import CutRequest
from fleet.split import split
from tests.unit.fleet.conftest import F16, I64, F, model, node, value, weight

pytestmark = pytest.mark.usefixtures("in_process")


@pytest.fixture
def cut(tmp_path, saved, run_whole, run_chain):
    """Return a function that cuts a model and checks the chain bit by bit; gives the report."""

    def cut(made, request, sizes=None, **options):
        path = saved(made, **options)
        split(path, tmp_path / "out", request)
        feeds, expected = run_whole(path, sizes)
        got = run_chain(tmp_path / "out" / "segments", feeds)
        for name, array in expected.items():
            assert got[name].tobytes() == array.tobytes()
        return split_folder.read_report(tmp_path / "out")

    return cut


def initializers(folder, segment):
    """Return the weights that a segment names."""
    path = folder / "segments" / segment / "segment.onnx"
    graph = onnx.load(path, load_external_data=False).graph
    return {tensor.name for tensor in graph.initializer}


def tied():
    """A language model in small: one table embeds tokens and scores them."""
    return model(
        [
            node("Gather", ["table", "tokens"], ["e"]),
            node("MatMul", ["e", "w"], ["h"]),
            node("Relu", ["h"], ["r"]),
            node("Transpose", ["table"], ["turned"], perm=[1, 0]),
            node("MatMul", ["r", "turned"], ["logits"]),
        ],
        [value("tokens", I64, ("B", "S"))],
        [value("logits", F, None)],
        [weight("table", 50, 16), weight("w", 16, 16)],
    )


def test_tied_embeddings_are_in_both_segments_and_told(cut, tmp_path):
    """The table is copied where it is needed, and a note says what that costs."""
    report = cut(tied(), CutRequest(at=("h",)))

    assert "table" in initializers(tmp_path / "out", "00-head")
    assert "table" in initializers(tmp_path / "out", "01-tail")
    assert any("'table' in 00-head, 01-tail" in note for note in report.notes)


def quantised():
    """Integer weights made float beside activations that are rounded and made float again."""
    scale = numpy_helper.from_array(np.float32(0.02), "scale")
    zero = numpy_helper.from_array(np.int8(0), "zero")
    whole = np.random.default_rng(0).integers(-127, 127, (8, 8), np.int8)
    nodes = []
    before = "x"
    for stage in ("a", "b"):
        nodes += [
            node("QuantizeLinear", [before, "scale", "zero"], [f"{stage}q"]),
            node("DequantizeLinear", [f"{stage}q", "scale", "zero"], [f"{stage}d"]),
            node("DequantizeLinear", ["w", "scale", "zero"], [f"{stage}w"]),
            node("MatMul", [f"{stage}d", f"{stage}w"], [f"{stage}m"]),
        ]
        before = f"{stage}m"
    weights = [scale, zero, numpy_helper.from_array(whole, "w")]
    return model(nodes, [value("x")], [value("bm")], weights)


def test_int8_crosses_a_cut_and_int8_weights_stay_so(cut, tmp_path):
    """A quarter of the bytes travels; no weight is made float while splitting."""
    cut(quantised(), CutRequest(at=("bq",)), sizes={"N": 1})

    made = split_folder.read(tmp_path / "out")
    assert [(spec.name, spec.dtype) for spec in made.edges[1].tensors] == [("bq", TensorProto.INT8)]
    graph = onnx.load(tmp_path / "out/segments/01-tail/segment.onnx").graph
    assert {t.name: t.data_type for t in graph.initializer}["w"] == TensorProto.INT8


@pytest.mark.parametrize("opset", [7, 9, 11, 13, 17, 21, 24])
def test_each_operator_set_is_cut(cut, opset):
    """From the oldest that the runtime takes to a new one."""
    made = model(
        [
            node("Gemm", ["x", "w", "b"], ["h"]),
            node("Relu", ["h"], ["r"]),
            node("Gemm", ["r", "w", "b"], ["y"]),
        ],
        [value("x", F, (3, 8))],
        [value("y", F, (3, 8))],
        [weight("w", 8, 8), weight("b", 8)],
        ir_version=8 if opset < 24 else 10,
        opset=opset,
    )

    assert cut(made, CutRequest(at=("h",))).cuts == (("h",),)


def test_weights_in_a_file_beside_the_model_are_found(cut):
    """As exporters name it: the model's name and .data."""
    report = cut(
        tied(), CutRequest(at=("r",)), save_as_external_data=True, location="model.onnx.data",
        size_threshold=0,
    )  # fmt: skip

    assert report.cuts == (("r",),)


def test_a_cut_through_float16_says_how_much_it_rounds(saved, tmp_path):
    """With the figure, and the tensor."""
    made = model(
        [node("MatMul", ["x", "w"], ["h"]), node("Exp", ["h"], ["e"]), node("Exp", ["e"], ["y"])],
        [value("x", F16)],
        [value("y", F16)],
        [weight("w", 8, 8, dtype=np.float16)],
    )

    split(saved(made), tmp_path / "out", CutRequest(at=("e",)))

    (said,) = [
        note for note in split_folder.read_report(tmp_path / "out").notes if "float16" in note
    ]
    assert "(e)" in said
    assert re.search(r"the outputs are (off by at most [0-9.e-]+|bit-equal)$", said)


def test_a_segment_says_what_it_is_part_of(cut, tmp_path):
    """Source, plan, place in it, and what goes in and out, for whoever finds it alone."""
    cut(tied(), CutRequest(at=("h",)))

    segment = onnx.load(tmp_path / "out/segments/01-tail/segment.onnx", load_external_data=False)
    said = {entry.key: entry.value for entry in segment.metadata_props}
    assert said["paceline.source"] == split_folder.read(tmp_path / "out").model.sha256
    assert json.loads(said["paceline.plan"]) == [["h"]]
    assert said["paceline.stage"] == "2 of 2"
    assert (json.loads(said["paceline.cut_in"]), json.loads(said["paceline.cut_out"])) == (
        ["h"],
        ["logits"],
    )


def test_a_boundary_that_moves_leaves_most_bytes_findable(saved, tmp_path):
    """By the chunk index beside the manifest: only what a run shares with the boundary is new."""
    nodes, weights = [], []
    for layer in range(40):
        nodes.append(node("MatMul", [f"x{layer}", f"w{layer}"], [f"x{layer + 1}"]))
        weights.append(weight(f"w{layer}", 128, 128))
    made = model(nodes, [value("x0", F, (1, 128))], [value("x40", F, (1, 128))], weights)
    path = saved(made)

    for name, at in (("first", "x20"), ("second", "x23")):
        split(path, tmp_path / name, CutRequest(at=(at,)))

    first, second = (_chunks(tmp_path / name) for name in ("first", "second"))
    total = sum(chunk.size_bytes for chunk in second)
    assert total >= 40 * 128 * 128 * 4
    assert chunks.found_bytes(second, first) > 0.7 * total


def _chunks(folder):
    index = json.loads((folder / "chunks.json").read_bytes())
    made = ChunkIndex(
        schema=index["schema"],
        segments={
            name: tuple(chunks.Chunk(*row) for row in rows)
            for name, rows in index["segments"].items()
        },
    )
    return [chunk for rows in made.segments.values() for chunk in rows]
