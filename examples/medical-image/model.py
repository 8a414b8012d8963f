"""A small network that grades a shadow on an X-ray: made here, with weights that do just that."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 128
GRADES = ("nothing seen", "look again", "shadow")


def write(path: Path) -> None:
    """Write the model: ``image [1, 1, 128, 128] uint8 -> grades [1, 3] float32``."""
    blur = np.full((1, 1, 9, 9), 1 / 81 / 255, np.float32)
    weights = np.array([[-40.0, 0.0, 40.0]], np.float32)
    offsets = np.array([12.0, 0.0, -22.0], np.float32)
    kept = {"blur": blur, "weights": weights, "offsets": offsets}
    nodes = [
        helper.make_node("Cast", ["image"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["numbers", "blur"], ["smooth"], pads=[4, 4, 4, 4]),
        helper.make_node("MaxPool", ["smooth"], ["coarse"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Relu", ["coarse"], ["positive"]),
        helper.make_node("GlobalMaxPool", ["positive"], ["densest"]),
        helper.make_node("Flatten", ["densest"], ["one"]),
        helper.make_node("Gemm", ["one", "weights", "offsets"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["grades"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "x-ray",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, 1, SIDE, SIDE])],
        [helper.make_tensor_value_info("grades", TensorProto.FLOAT, [1, 3])],
        [numpy_helper.from_array(array, name) for name, array in kept.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(made, path)
