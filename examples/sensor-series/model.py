"""A small network that hears a bearing fail: made here, one-dimensional.

It lets high tones through (a difference, twice), takes their power over the window, and compares
it with the power of all tones: the score rises when a machine begins to rattle.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WINDOW = 256


def write(path: Path) -> None:
    """Write the model: ``window [1, 1, 256] float32 -> score [1]`` of 0 to 1."""
    kept = {
        "difference": np.array([[[-1.0, 2.0, -1.0]]], np.float32),
        "smooth": np.array([[[0.25, 0.5, 0.25]]], np.float32),
        "little": np.array([1e-3], np.float32),
        "middle": np.array([0.5], np.float32),
        "steep": np.array([6.0], np.float32),
        "axes": np.array([1, 2], np.int64),
    }
    nodes = [
        helper.make_node("Conv", ["window", "difference"], ["high"], pads=[1, 1]),
        helper.make_node("Conv", ["window", "smooth"], ["low"], pads=[1, 1]),
        helper.make_node("Mul", ["high", "high"], ["high_power"]),
        helper.make_node("Mul", ["low", "low"], ["low_power"]),
        helper.make_node("ReduceMean", ["high_power", "axes"], ["high_mean"], keepdims=0),
        helper.make_node("ReduceMean", ["low_power", "axes"], ["low_mean"], keepdims=0),
        helper.make_node("Add", ["low_mean", "little"], ["some"]),
        helper.make_node("Div", ["high_mean", "some"], ["ratio"]),
        helper.make_node("Sub", ["ratio", "middle"], ["above"]),
        helper.make_node("Mul", ["above", "steep"], ["steeper"]),
        helper.make_node("Sigmoid", ["steeper"], ["score"]),
    ]
    graph = helper.make_graph(
        nodes,
        "bearing",
        [helper.make_tensor_value_info("window", TensorProto.FLOAT, [1, 1, WINDOW])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, [1])],
        [numpy_helper.from_array(array, name) for name, array in kept.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(made, path)
