"""What is in a segment's files."""

import onnx
import pytest
from onnx import TensorProto

from fleet.formats import CutRequest
from wire.model.files import scan_segment


def load(folder, name):
    """Return a segment's model, without the weights beside it."""
    return onnx.load(folder / name / "segment.onnx", load_external_data=False)


def places(model):
    """Return where each weight is: None in the model, else its entries."""
    return {
        tensor.name: {entry.key: entry.value for entry in tensor.external_data} or None
        for tensor in model.graph.initializer
    }


def test_every_segment_passes_the_devices_scan(saved, kind, write_segments):
    """Whatever the model held, a device accepts what was made of it."""
    _, folder = write_segments(saved(kind), CutRequest(stages=2))

    scans = [scan_segment(path) for path in sorted(folder.glob("*/segment.onnx"))]

    assert [bool(scan.outputs) for scan in scans] == [True, True]


def test_large_weights_lie_beside_the_model_where_they_can_be_mapped(saved, write_segments):
    """1 MiB and more at multiples of 64 KiB, others at 64, small ones inside."""
    _, folder = write_segments(saved("chain"), CutRequest(stages=1))
    found = places(load(folder, "00-whole"))

    assert found["w1"] == {"location": "weights.bin", "offset": "0", "length": str(512 * 600 * 4)}
    assert int(found["w0"]["offset"]) % 64 == 0
    assert int(found["bias"]["offset"]) % 64 == 0
    assert places(load(write_segments(saved("skips"), CutRequest())[1], "00-whole"))["k0"] is None


def test_the_weights_file_is_there_when_it_is_empty(saved, write_segments):
    """A device always finds both files."""
    _, folder = write_segments(saved("early_and_late"), CutRequest(stages=2))

    assert [p.stat().st_size for p in sorted(folder.glob("*/weights.bin"))] == [0, 0]


def test_a_shared_weight_is_once_in_each_segment_that_uses_it(saved, write_segments):
    """No segment refers to another's."""
    _, folder = write_segments(saved("skips"), CutRequest(at=("c",)))

    assert list(places(load(folder, "00-head"))) == ["k0", "k1"]
    assert list(places(load(folder, "01-tail"))) == ["k1", "k2"]


def test_a_segment_keeps_opsets_and_ir_version(saved, write_segments):
    """So that its operators mean what they meant; functions were written out."""
    path = saved("functions")
    _, folder = write_segments(path, CutRequest(at=("b",)))
    whole, head, tail = onnx.load(path), load(folder, "00-head"), load(folder, "01-tail")

    assert not head.functions
    assert not tail.functions
    assert head.opset_import == tail.opset_import == whole.opset_import
    assert head.ir_version == whole.ir_version


def test_tensors_keep_their_names_at_the_cuts(saved, write_segments):
    """A segment's inputs and outputs are the model's own tensors; nothing is passed through."""
    _, folder = write_segments(saved("early_and_late"), CutRequest(at=("a", "b")))
    middle = load(folder, "01-body")

    assert [value.name for value in middle.graph.input] == ["a"]
    assert [value.name for value in middle.graph.output] == ["b"]
    assert [node.op_type for node in middle.graph.node] == ["Neg"]


def test_weights_that_were_inputs_too_stay_so(saved, write_segments):
    """As IR version 3 demands, and where an input had a default."""
    _, folder = write_segments(saved("old"), CutRequest(at=("b",)))
    _, others = write_segments(saved("defaults"), CutRequest(at=("a",)))

    assert [value.name for value in load(folder, "01-tail").graph.input] == ["x", "b", "w"]
    assert [value.name for value in load(others, "01-tail").graph.input] == ["a", "w"]


def test_the_same_cut_gives_the_same_bytes(saved, kind, write_segments):
    """So that a segment that did not change keeps its digest and is not fetched again."""
    path = saved(kind)
    folders = [write_segments(path, CutRequest(stages=2))[1] for _ in range(2)]

    first, again = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*")}
        for folder in folders
    )
    assert first == again


@pytest.mark.parametrize("dtype", [TensorProto.BFLOAT16, TensorProto.STRING])
def test_weights_of_exotic_types_stay_with_the_model(saved, make_model, write_segments, dtype):
    """Packed types and strings that nobody can place are kept as they were."""
    model = make_model("early_and_late")
    tensor = onnx.TensorProto(name="odd", data_type=dtype, dims=[2])
    if dtype == TensorProto.STRING:
        tensor.string_data.extend([b"a", b"b"])
    else:
        tensor.int32_data.extend([1, 1])
    model.graph.initializer.append(tensor)
    model.graph.node.append(onnx.helper.make_node("Shape", ["odd"], ["odd_shape"]))
    model.graph.output.append(onnx.helper.make_tensor_value_info("odd_shape", 7, [1]))

    _, folder = write_segments(saved(model), CutRequest(stages=2))

    assert places(load(folder, "01-tail")) == {"odd": None}
