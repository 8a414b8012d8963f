"""The two pipelines of the test: one does little, the other takes the square of its input."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fleet import keys
from fleet.formats import CutRequest
from fleet.split import Presentation, split
from wire import signing


def write(share: Path) -> None:
    """Write both split models, and a key to sign their deployment with."""
    share.mkdir()
    key = keys.load_or_make(share / "signing.key")
    (share / "trusted.pub").write_bytes(signing.public_pem(key))
    for name, model in (("quiet", _quiet()), ("greedy", _greedy())):
        onnx.save(model, share / f"{name}.onnx")
        request = CutRequest(stages=1, balance="flops")
        split(share / f"{name}.onnx", share / name, request, Presentation(name=name))


def _quiet() -> onnx.ModelProto:
    weights = numpy_helper.from_array(np.eye(8, dtype=np.float32) * 2, "w")
    return _model([helper.make_node("MatMul", ["x", "w"], ["y"])], [1, 8], [1, 8], [weights])


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
