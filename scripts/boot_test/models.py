"""The pipelines of the test: three double their input, once or more; one takes its square."""

import itertools
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fleet import keys
from fleet.formats import CutRequest
from fleet.split import Presentation, split
from wire import signing


def write(share: Path) -> None:
    """Write the split models, and a key to sign their deployment with."""
    share.mkdir()
    key = keys.load_or_make(share / "signing.key")
    (share / "trusted.pub").write_bytes(signing.public_pem(key))
    made = (
        ("quiet", _double(1), 1),
        ("direct", _double(2), 2),
        ("loop", _double(3), 3),
        ("greedy", _greedy(), 1),
    )
    for name, model, stages in made:
        onnx.save(model, share / f"{name}.onnx")
        request = CutRequest(stages=stages, balance="flops")
        split(share / f"{name}.onnx", share / name, request, Presentation(name=name))


def _double(times: int) -> onnx.ModelProto:
    weights = numpy_helper.from_array(np.eye(8, dtype=np.float32) * 2, "w")
    names = ["x", *(f"x{time}" for time in range(1, times)), "y"]
    nodes = [helper.make_node("MatMul", [a, "w"], [b]) for a, b in itertools.pairwise(names)]
    return _model(nodes, [1, 8], [1, 8], [weights])


def _greedy() -> onnx.ModelProto:
    """Return a model whose inner tensor is [N, N]: 4 N^2 bytes for a frame of 4 N."""
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[1, 0]),
        helper.make_node("MatMul", ["x", "t"], ["square"]),
        helper.make_node("ReduceMax", ["square"], ["y"], keepdims=1),
    ]
    return _model(nodes, ["N", 1], [1, 1], [])


def _model(
    nodes: list[onnx.NodeProto],
    takes: list[int | str],
    gives: list[int | str],
    weights: list[onnx.TensorProto],
) -> onnx.ModelProto:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, takes)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, gives)
    graph = helper.make_graph(nodes, "boot", [x], [y], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
