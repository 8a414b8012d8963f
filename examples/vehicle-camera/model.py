"""A small network that looks for red light: made here, so that the example downloads nothing.

The layers in the middle pass each channel on, a little blurred. They stand for the work of a real
detector: about as long as a small board needs for one, on one core of a PC.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 160
CHANNELS = 24
LAYERS = 8
RED = (2.0, -1.0, -1.0)
"""Red is what is bright in red and dark in green and blue."""


def write(folder: Path) -> Path:
    """Write ``model.onnx`` and how pictures go in and labels come out; returns the model."""
    nodes, weights = [], []

    def layer(operator: str, source: str, target: str, *arrays: np.ndarray, **how: Any) -> str:
        names = [f"{target}_{number}" for number in range(len(arrays))]
        pairs = zip(arrays, names, strict=True)
        weights.extend(numpy_helper.from_array(a.astype(np.float32), n) for a, n in pairs)
        nodes.append(helper.make_node(operator, [source, *names], [target], **how))
        return target

    into = np.zeros((CHANNELS, 3, 1, 1))
    into[:, :, 0, 0] = RED
    name = layer("Relu", layer("Conv", "picture", "red", into), "light")
    blur = np.zeros((CHANNELS, CHANNELS, 3, 3))
    for channel in range(CHANNELS):
        blur[channel, channel] = 0.02
        blur[channel, channel, 1, 1] = 0.84
    for number in range(LAYERS):
        name = layer("Conv", name, f"conv{number}", blur, pads=[1, 1, 1, 1])
        name = layer("Relu", name, f"relu{number}")
    name = layer("GlobalMaxPool", name, "brightest")
    name = layer("Flatten", name, "flat")
    out = np.zeros((CHANNELS, 2))
    out[:, 0], out[:, 1] = -8 / CHANNELS, 8 / CHANNELS
    name = layer("Gemm", name, "logits", out, np.array([8.0, -8.0]))
    layer("Softmax", name, "scores", axis=1)

    def value(name: str, *shape: int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        nodes, "red-light", [value("picture", 1, 3, SIDE, SIDE)], [value("scores", 1, 2)], weights
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(made, folder / "model.onnx")
    how = {"input": "picture", "width": SIDE, "height": SIDE, "fit": "stretch"}
    (folder / "in.json").write_text(json.dumps(how))
    labels = {"kind": "labels", "output": "scores", "labels": ["clear", "red light"], "top": 1}
    (folder / "out.json").write_text(json.dumps(labels))
    return folder / "model.onnx"
