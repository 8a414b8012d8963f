"""Small ONNX models in a row of layers, split, and what plain onnxruntime says of them."""

import shutil
from pathlib import Path

import msgspec
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from fleet import children, split_folder
from fleet.formats import CutRequest
from fleet.split import Presentation, split
from fleet.split_folder import SEGMENTS_FOLDER
from tests.fixtures.in_process import InProcess
from wire import manifest as manifests
from wire.manifest import File

DIFFERENT_INPUTS = 7


def write_model(path, *, rows, width, layers, dense=True):
    """Write a model ``x [rows, width] -> y``; without ``dense``, it only adds."""
    random = np.random.default_rng(3)
    nodes, weights, name = [], [], "x"
    for layer in range(layers):
        shape = (width, width) if dense else (width,)
        scale = np.sqrt(width) if dense else 1
        array = (random.standard_normal(shape) / scale).astype(np.float32)
        weights.append(numpy_helper.from_array(array, f"w{layer}"))
        after = "y" if layer == layers - 1 else f"t{layer}"
        operator = "MatMul" if dense else "Add"
        nodes.append(helper.make_node(operator, [name, f"w{layer}"], [f"m{layer}"]))
        nodes.append(helper.make_node("Tanh", [f"m{layer}"], [after]))
        name = after
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [rows, width]) for name in "xy"
    ]
    graph = helper.make_graph(nodes, "chain", values[:1], values[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)


class Chain:
    """A model, split into stages."""

    def __init__(self, folder: Path, stages, *, rows=4, width=64, layers=6, dense=True, free=False):
        """``free``: the model takes any number of rows."""
        self.model = folder / "chain.onnx"
        self.shape = (rows, width)
        asked = "batch" if free else rows
        write_model(self.model, rows=asked, width=width, layers=layers, dense=dense)
        self.folder = folder / "split"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(children, "subprocess", InProcess)
            self.manifest = split(
                self.model,
                self.folder,
                CutRequest(stages=stages, balance="flops"),
                Presentation(name="p"),
            )
        session = ort.InferenceSession(self.model, providers=["CPUExecutionProvider"])
        self._expected = [
            session.run(None, self.inputs(number))[0] for number in range(DIFFERENT_INPUTS)
        ]

    def inputs(self, number):
        """Return the inputs of frame ``number``."""
        random = np.random.default_rng(number % DIFFERENT_INPUTS)
        return {"x": random.standard_normal(self.shape).astype(np.float32)}

    def expected(self, number):
        """Return the whole model's output of frame ``number``."""
        return self._expected[number % DIFFERENT_INPUTS]

    def right(self, number, outputs):
        """Whether these are the whole model's outputs of frame ``number``, within tolerance."""
        return np.allclose(outputs["y"], self.expected(number), rtol=1e-4, atol=1e-5)

    def changed(self, out: Path, stage, name, change):
        """Write the split again with one file of one stage changed, its digest as it then is.

        ``change`` gets the file's bytes and returns others.
        """
        shutil.copytree(self.folder, out)
        segment = self.manifest.segments[stage]
        file = out / SEGMENTS_FOLDER / segment.name / name
        file.write_bytes(change(file.read_bytes()))
        files = tuple(file_of(file) if f.name == name else f for f in segment.files)
        segments = list(self.manifest.segments)
        segments[stage] = msgspec.structs.replace(segment, files=files)
        made = msgspec.structs.replace(self.manifest, segments=tuple(segments))
        (out / split_folder.MANIFEST_FILE).write_bytes(manifests.encode(made))
        return out


def file_of(path):
    """Return a file as a manifest names it."""
    import hashlib

    data = path.read_bytes()
    return File(name=path.name, sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
