"""onnxruntime behind our port: options, names, types and translated errors."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from agent.errors import RuntimeFailedError, RuntimeOpenError
from agent.runtimes import RuntimeOptions, _onnx_library
from agent.runtimes.onnx_cpu import OnnxCpuRuntime
from wire.tensors import ELEMENT_TYPES, TensorSpec

WEIGHTS = np.arange(6, dtype=np.float32).reshape(2, 3)


def model(nodes, inputs, outputs, initializers=()):
    """Build a model of opset 17."""
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(initializers))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@pytest.fixture
def segment(tmp_path):
    """A segment's folder: y = x @ weights, with the weights in weights.bin."""
    weights = numpy_helper.from_array(WEIGHTS, "w")
    made = model(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["M", 3])],
        [weights],
    )
    onnx.save(
        made,
        tmp_path / "segment.onnx",
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    return tmp_path


@pytest.mark.parametrize("optimisations", [True, False])
@pytest.mark.parametrize("weights", ["prepacked", "mapped"])
def test_a_segment_with_its_weights_beside_it_runs(segment, weights, optimisations):
    """Whatever the options, the answer is the product, in memory of its own."""
    runtime = OnnxCpuRuntime.open(
        segment, RuntimeOptions(threads=2, optimisations=optimisations, weights=weights)
    )
    x = np.ones((4, 2), np.float32)
    x.flags.writeable = False

    outputs = runtime.run({"x": x, "passing_by": x})
    runtime.close()

    assert list(outputs) == ["y"]
    np.testing.assert_array_equal(outputs["y"], x @ WEIGHTS)


def test_inputs_and_outputs_are_told(segment):
    """Names, types and shapes of the graph; a dimension without a name is an empty one."""
    runtime = OnnxCpuRuntime.open(segment, RuntimeOptions())

    assert runtime.inputs == (TensorSpec(name="x", dtype=1, shape=("", 2)),)
    assert runtime.outputs == (TensorSpec(name="y", dtype=1, shape=("M", 3)),)


def test_a_models_file_runs_too(segment):
    """A path to a file is the model itself."""
    runtime = OnnxCpuRuntime.open(segment / "segment.onnx", RuntimeOptions())

    assert runtime.run({"x": np.ones((1, 2), np.float32)})["y"].tolist() == [[3.0, 5.0, 7.0]]


def test_the_element_types_agree_with_the_table():
    """The names onnxruntime gives types are those of our numbers."""
    spelled = {"float32": "float", "float64": "double"}
    expected = {
        number: f"tensor({spelled.get(element.name, element.name)})"
        for number, element in ELEMENT_TYPES.items()
    }

    assert {number: name for name, number in _onnx_library.DTYPES.items()} == expected


@pytest.mark.parametrize(
    "inputs",
    [
        {},
        {"x": np.ones((1, 3), np.float32)},
        {"x": np.ones((1, 2), np.float64)},
        {"x": np.ones(2, np.float32)},
    ],
    ids=["missing", "shape", "dtype", "rank"],
)
def test_wrong_inputs_are_a_failed_run(segment, inputs):
    """The library's and our own complaints arrive as one error with a code."""
    runtime = OnnxCpuRuntime.open(segment, RuntimeOptions())

    with pytest.raises(RuntimeFailedError, match="inference failed"):
        runtime.run(inputs)


def test_a_closed_segment_does_not_run(segment):
    """Closing twice is harmless; running afterwards is an error, not a crash."""
    runtime = OnnxCpuRuntime.open(segment, RuntimeOptions())
    runtime.close()
    runtime.close()

    with pytest.raises(RuntimeFailedError, match="closed"):
        runtime.run({"x": np.ones((1, 2), np.float32)})


@pytest.mark.parametrize("damage", ["junk", "no weights", "empty folder"])
def test_a_damaged_segment_cannot_be_opened(segment, damage):
    """Garbage, missing weights and a missing model are the same named error."""
    match damage:
        case "junk":
            (segment / "segment.onnx").write_bytes(b"junk")
        case "no weights":
            (segment / "weights.bin").unlink()
        case _:
            (segment / "segment.onnx").unlink()

    with pytest.raises(RuntimeOpenError, match="cannot open"):
        OnnxCpuRuntime.open(segment, RuntimeOptions())


def test_values_that_cannot_travel_are_refused_when_opening(tmp_path):
    """A string output is found at once, not at the first frame."""
    made = model(
        [helper.make_node("Identity", ["x"], ["y"])],
        [helper.make_tensor_value_info("x", TensorProto.STRING, [1])],
        [helper.make_tensor_value_info("y", TensorProto.STRING, [1])],
    )
    onnx.save(made, tmp_path / "segment.onnx")

    with pytest.raises(RuntimeOpenError, match=r"tensor\(string\)"):
        OnnxCpuRuntime.open(tmp_path, RuntimeOptions())


def test_threads_never_spin():
    """Sessions on shared cores must not fight: the setting is made for every session."""
    import onnxruntime as ort

    options = _onnx_library.session_options(ort, RuntimeOptions(threads=3, weights="mapped"))

    assert options.intra_op_num_threads == 3
    assert options.inter_op_num_threads == 1
    for key in ("session.intra_op.allow_spinning", "session.inter_op.allow_spinning"):
        assert options.get_session_config_entry(key) == "0"
    assert options.get_session_config_entry("session.disable_prepacking") == "1"


def test_each_operator_is_timed(segment):
    """By its place in the file; asked again, or not opened for it, there is no answer."""
    runtime = OnnxCpuRuntime.open(segment, RuntimeOptions(profile=True, optimisations=False))
    for _ in range(3):
        runtime.run({"x": np.ones((1, 2), np.float32)})

    (times,) = runtime.operator_times()

    assert (times.place, times.kind, len(times.seconds)) == (0, "MatMul", 3)
    assert min(times.seconds) >= 0
    assert runtime.operator_times() == ()
    assert OnnxCpuRuntime.open(segment, RuntimeOptions()).operator_times() == ()


def test_an_operator_with_a_body_is_timed_with_what_it_runs(tmp_path):
    """What its body's operators took is part of its time; they have no places of their own."""
    floats = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [2]) for n in ("x", "y", "z")]
    bodies = [
        helper.make_graph([helper.make_node(kind, ["x", "x"], ["z"])], kind, [], floats[2:])
        for kind in ("Add", "Mul")
    ]
    yes = helper.make_tensor_value_info("yes", TensorProto.BOOL, [])
    nodes = [
        helper.make_node("If", ["yes"], ["z"], then_branch=bodies[0], else_branch=bodies[1]),
        helper.make_node("Neg", ["z"], ["y"]),
    ]
    graph = helper.make_graph(nodes, "g", [floats[0], yes], floats[1:2])
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), tmp_path / "if.onnx")
    options = RuntimeOptions(profile=True, optimisations=False)
    runtime = OnnxCpuRuntime.open(tmp_path / "if.onnx", options)
    for _ in range(2):
        runtime.run({"x": np.ones(2, np.float32), "yes": np.array(True)})
    found = [(one.place, one.kind, len(one.seconds)) for one in runtime.operator_times()]

    assert found == [(0, "If", 2), (1, "Neg", 2)]


def test_outputs_that_are_no_tensors_can_be_left_out(tmp_path):
    """A sequence may not travel: it is refused, or left out where one only looks."""
    sequence = helper.make_tensor_sequence_value_info("s", TensorProto.FLOAT, None)
    made = model(
        [
            helper.make_node("SequenceConstruct", ["x", "x"], ["s"]),
            helper.make_node("Neg", ["x"], ["y"]),
        ],
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        [sequence, helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
    )
    onnx.save(made, tmp_path / "m.onnx")

    with pytest.raises(RuntimeOpenError, match="seq"):
        OnnxCpuRuntime.open(tmp_path / "m.onnx", RuntimeOptions())
    runtime = OnnxCpuRuntime.open(tmp_path / "m.onnx", RuntimeOptions(tensors_only=True))
    assert runtime.run({"x": np.ones(1, np.float32)})["y"].tolist() == [-1.0]
    assert [spec.name for spec in runtime.outputs] == ["y"]
