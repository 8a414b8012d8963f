"""Opening a model's files without being led elsewhere."""

import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from onnx import TensorProto, helper

from tests.fixtures.tflite_builder import TfliteModel
from wire.model.errors import ExternalDataError, ModelError
from wire.model.files import (
    map_model,
    opened_beside,
    scan_segment,
    scan_source,
)
from wire.model.tflite_files import scan_tflite_segment, scan_tflite_source, tflite_operators

LARGE_BYTES = 100_000_000


@pytest.fixture
def model(tmp_path):
    """A model whose weight is in a folder beside it."""
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4])
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="data/w.bin")
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", 1, [4])],
        [helper.make_tensor_value_info("y", 1, [4])],
        [weight],
    )
    folder = tmp_path / "model"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "w.bin").write_bytes(bytes(16))
    path = folder / "m.onnx"
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.write_bytes(made.SerializeToString())
    return path


def test_a_source_may_refer_to_files_in_its_folder(model):
    """In folders below it too."""
    assert scan_source(model).needed_bytes == {"data/w.bin": 16}


@pytest.mark.parametrize(
    "trick", ["folder link", "file link", "hard link", "short", "pipe", "gone"]
)
def test_a_source_may_not_be_led_elsewhere(model, tmp_path, trick):
    """Links anywhere on the way, files that are too short, are no files, or are not there."""
    folder, file, other = model.parent / "data", model.parent / "data" / "w.bin", tmp_path / "other"
    match trick:
        case "folder link":
            folder.rename(other)
            folder.symlink_to(other)
        case "file link":
            file.rename(other)
            file.symlink_to(other)
        case "hard link":
            other.hardlink_to(file)
        case "short":
            file.write_bytes(bytes(15))
        case "pipe":
            file.unlink()
            os.mkfifo(file)
        case _:
            file.unlink()

    with pytest.raises(ExternalDataError):
        scan_source(model)


def test_a_segment_may_refer_to_its_weights_alone(model):
    """A model from outside is no segment."""
    (model.parent / "weights.bin").write_bytes(b"")

    with pytest.raises(ExternalDataError, match=r"is not 'weights\.bin'"):
        scan_segment(model)


def test_a_model_is_an_ordinary_file(tmp_path):
    """A pipe is not waited for; an empty file is mapped as nothing."""
    os.mkfifo(tmp_path / "pipe.onnx")
    (tmp_path / "empty.onnx").write_bytes(b"")

    with pytest.raises(ModelError, match="not an ordinary file"):
        map_model(tmp_path / "pipe.onnx")
    assert bytes(map_model(tmp_path / "empty.onnx")) == b""


def test_no_descriptor_is_left_open(model):
    """Neither after success nor after an error."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    with opened_beside(model, "data/w.bin"):
        pass
    with pytest.raises(ExternalDataError), opened_beside(model, "data/none"):
        pass

    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.fixture
def large_tflite(tmp_path):
    """A TFLite file with a constant of 100 MB behind the flatbuffer: a hole in the file."""
    model = TfliteModel()
    x, y = model.tensor("x", (1, 100)), model.tensor("y", (1, LARGE_BYTES // 400))
    weights = model.constant("weights", np.zeros((LARGE_BYTES // 400, 100), np.float32))
    model.made.buffers[-1] = schema.BufferT()
    model.made.buffers[-1].offset, model.made.buffers[-1].size = 1 << 12, LARGE_BYTES
    model.operator("FULLY_CONNECTED", [x, weights], [y], kind="FullyConnected")
    model.graph.inputs, model.graph.outputs = [x], [y]
    path = tmp_path / "segment.tflite"
    path.write_bytes(model.data())
    os.truncate(path, (1 << 12) + LARGE_BYTES)
    return path


def test_weights_of_a_tflite_file_are_not_read(large_tflite):
    """However large the weights, the scan takes what the structure takes."""
    tracemalloc.start()
    found = scan_tflite_segment(large_tflite)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert found.weight_bytes == LARGE_BYTES
    assert peak_bytes < 100_000


def test_operators_of_a_tflite_file_are_told_without_scanning_it(large_tflite):
    """Whoever only asks what is in a file gets an answer, also of a linked one."""
    link = large_tflite.with_name("link.tflite")
    link.symlink_to(large_tflite)

    assert tflite_operators(link) == {"FULLY_CONNECTED": 1}
    assert scan_tflite_source(link).operators == {"FULLY_CONNECTED": 1}
    with pytest.raises(ExternalDataError, match="cannot be opened"):
        scan_tflite_segment(link)
