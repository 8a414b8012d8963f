"""The models that splitters.py measures with: ``splitters_models.py NAME PATH`` writes one.

A process of its own, so that the measuring one stays small.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

SIDE = 1024
SPARSE_SIDE = 4096
MATRIX_BYTES = SIDE * SIDE * 4
SPARSE_BYTES = SPARSE_SIDE * SPARSE_SIDE * 4


def inline_200_mb(path: Path) -> None:
    """48 MatMuls with random weights in the file."""
    random = np.random.default_rng(0)
    weights = [numpy_helper.from_array(_matrix(random), f"w{i}") for i in range(48)]
    _save(path, _products(48), weights, SIDE)


def external_1_gb(path: Path) -> None:
    """240 MatMuls with random weights in a file beside it."""
    random = np.random.default_rng(0)
    with path.with_name("weights.bin").open("wb") as file:
        for _ in range(240):
            file.write(_matrix(random).tobytes())
    _save(path, _products(240), _outside(240, SIDE), SIDE)


def sparse_3_gb(path: Path) -> None:
    """48 MatMuls whose weights, 3.2 GB of zeros, are a hole in a file."""
    with path.with_name("weights.bin").open("wb") as file:
        file.truncate(48 * SPARSE_BYTES)
    _save(path, _products(48), _outside(48, SPARSE_SIDE), SPARSE_SIDE)


def chain_10000(path: Path) -> None:
    """10,000 small operators in a row."""
    random = np.random.default_rng(0)
    nodes, weights = [], []
    for i in range(2500):
        weights.append(numpy_helper.from_array(random.random(64, np.float32), f"w{i}"))
        steps = (("Mul", [f"x{i}", f"w{i}"]), ("Relu", [f"a{i}"]), ("Add", [f"b{i}", f"w{i}"]))
        for (operator, inputs), output in zip(steps, "abc", strict=True):
            nodes.append(helper.make_node(operator, inputs, [f"{output}{i}"]))
        nodes.append(helper.make_node("Tanh", [f"c{i}"], [f"x{i + 1}"]))
    _save(path, nodes, weights, 64)


def shared_weight(path: Path) -> None:
    """First and last operator use one weight, and a tensor of the start is read at the end."""
    weights = [_small("w"), _small("v")]
    nodes = [
        helper.make_node("MatMul", ["x0", "w"], ["a"]),
        helper.make_node("MatMul", ["a", "v"], ["cut"]),
        helper.make_node("MatMul", ["cut", "w"], ["b"]),
        helper.make_node("Add", ["a", "b"], ["y"]),
    ]
    _save(path, nodes, weights, 8, "y")


def control_flow(path: Path) -> None:
    """An If behind the cut whose bodies capture tensors from before it, and weights."""
    branches = {
        name: helper.make_graph(
            [helper.make_node(operator, ["a", "w"], [f"{name}_out"])],
            name,
            [],
            [helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, [8, 8])],
        )
        for name, operator in (("then_branch", "MatMul"), ("else_branch", "Add"))
    }
    nodes = [
        helper.make_node("Relu", ["x0"], ["a"]),
        helper.make_node("ReduceSum", ["a"], ["cut"], keepdims=0),
        helper.make_node("Greater", ["cut", "limit"], ["large"]),
        helper.make_node("If", ["large"], ["y"], **branches),
    ]
    weights = [_small("w"), numpy_helper.from_array(np.float32(1), "limit")]
    _save(path, nodes, weights, 8, "y")


def missing_shapes(path: Path) -> None:
    """Operators of the runtime's own domain, whose shapes ONNX cannot infer."""
    nodes = [
        helper.make_node("Gelu", ["x0"], ["cut"], domain="com.microsoft"),
        helper.make_node("MatMul", ["cut", "w"], ["y"]),
    ]
    _save(path, nodes, [_small("w")], 8, "y", helper.make_opsetid("com.microsoft", 1))


def functions(path: Path) -> None:
    """Each side of the cut calls a function of the model, which calls another."""
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    inner = helper.make_node("Relu", ["a"], ["b"])
    outer = helper.make_node("Inner", ["a"], ["b"], domain="own")
    nodes = [
        helper.make_node("Outer", ["x0"], ["cut"], domain="own"),
        helper.make_node("MatMul", ["cut", "w"], ["p"]),
        helper.make_node("Outer", ["p"], ["y"], domain="own"),
    ]
    model = _model(nodes, [_small("w")], 8, "y", opsets[1])
    model.functions.extend(
        helper.make_function("own", name, ["a"], ["b"], [body], opsets)
        for name, body in (("Inner", inner), ("Outer", outer))
    )
    onnx.save(_typed(model), path)


MODELS: Mapping[str, Callable[[Path], None]] = {
    "200 MB": inline_200_mb,
    "1 GB, external data": external_1_gb,
    "10,000 nodes": chain_10000,
    "3 GB, external data (sparse file)": sparse_3_gb,
    "weight and tensor shared": shared_weight,
    "captures of an If": control_flow,
    "shapes not inferable": missing_shapes,
    "functions": functions,
}


def _matrix(random: np.random.Generator) -> np.ndarray:
    # so that a long product neither vanishes nor overflows
    return random.standard_normal((SIDE, SIDE), np.float32) / np.float32(SIDE**0.5)


def _small(name: str) -> TensorProto:
    return numpy_helper.from_array(np.random.default_rng(1).random((8, 8), np.float32), name)


def _products(count: int) -> list[NodeProto]:
    return [helper.make_node("MatMul", [f"x{i}", f"w{i}"], [f"x{i + 1}"]) for i in range(count)]


def _outside(count: int, side: int) -> list[TensorProto]:
    size = side * side * 4
    tensors = []
    for i in range(count):
        tensor = TensorProto(name=f"w{i}", data_type=TensorProto.FLOAT, dims=[side, side])
        tensor.data_location = TensorProto.EXTERNAL
        places = {"location": "weights.bin", "offset": i * size, "length": size}
        for key, value in places.items():
            tensor.external_data.add(key=key, value=str(value))
        tensors.append(tensor)
    return tensors


def _model(
    nodes: list[NodeProto],
    weights: list[TensorProto],
    side: int,
    output: str,
    *opsets: onnx.OperatorSetIdProto,
) -> onnx.ModelProto:
    shape = [8 if side == 8 else 1, side]
    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info("x0", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)],
        weights,
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17), *opsets], ir_version=9
    )


def _typed(model: onnx.ModelProto) -> onnx.ModelProto:
    """Write down what can be inferred of types and shapes, as exporters do."""
    return onnx.shape_inference.infer_shapes(model)


def _save(
    path: Path,
    nodes: list[NodeProto],
    weights: list[TensorProto],
    side: int,
    output: str = "",
    *opsets: onnx.OperatorSetIdProto,
) -> None:
    onnx.save(_typed(_model(nodes, weights, side, output or nodes[-1].output[0], *opsets)), path)


if __name__ == "__main__":
    MODELS[sys.argv[1]](Path(sys.argv[2]))
