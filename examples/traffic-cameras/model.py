"""A small network that counts cars from above: made here; cars are what is yellow enough."""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WIDTH, HEIGHT = 160, 96
CAR = (16, 8)
YELLOW = (1.0, 1.0, -2.0)


def write(folder: Path) -> None:
    """Write ``model.onnx``, ``picture -> cars [1, 1]``, and how pictures go in."""
    kept = {
        "yellow": np.array(YELLOW, np.float32).reshape(1, 3, 1, 1),
        "not_quite": np.array([-0.7], np.float32),
        "sure": np.array([1000.0], np.float32),
        "zero": np.array(0.0, np.float32),
        "one": np.array(1.0, np.float32),
        "axes": np.array([2, 3], np.int64),
        "size": np.array([CAR[0] * CAR[1]], np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["picture", "yellow", "not_quite"], ["above"]),
        helper.make_node("Mul", ["above", "sure"], ["surely"]),
        helper.make_node("Clip", ["surely", "zero", "one"], ["cells"]),
        helper.make_node("ReduceSum", ["cells", "axes"], ["area"], keepdims=0),
        helper.make_node("Div", ["area", "size"], ["cars"]),
    ]
    graph = helper.make_graph(
        nodes,
        "cars",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, HEIGHT, WIDTH])],
        [helper.make_tensor_value_info("cars", TensorProto.FLOAT, [1, 1])],
        [numpy_helper.from_array(array, name) for name, array in kept.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(made, folder / "model.onnx")
    how = {"input": "picture", "width": WIDTH, "height": HEIGHT, "fit": "stretch"}
    (folder / "in.json").write_text(json.dumps(how))
