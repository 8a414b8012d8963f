"""TFLite segments on the CPU."""

import numpy as np
import pytest

from agent.errors import RuntimeFailedError, RuntimeOpenError
from agent.runtimes import RuntimeOptions
from agent.runtimes.tflite_cpu import TfliteCpuRuntime
from tests.fixtures import tflite_models
from tests.fixtures.tflite_builder import TfliteModel


def opened(folder, model, **options):
    """The runtime on a segment's folder with ``model`` in it."""
    (folder / "segment.tflite").write_bytes(model)
    return TfliteCpuRuntime.open(folder, RuntimeOptions(**options))


@pytest.mark.parametrize("kind", ["float32", "uint8", "int8", "int16", "int64", "bool"])
def test_tensors_stay_what_they_are(tmp_path, kind):
    """Names and element types are the model's own; a batch may grow and shrink between runs."""
    runtime = opened(tmp_path, tflite_models.identity(kind))
    answers = []
    for rows in (1, 3, 1):
        given = np.arange(rows * 2).reshape(rows, 2).astype(kind)
        answers.append((given, runtime.run({"x": given})["x_out"]))

    assert [spec.name for spec in runtime.inputs + runtime.outputs] == ["x", "x_out"]
    assert runtime.inputs[0].shape == ("", 2)
    for given, answer in answers:
        assert (given.dtype, given.tolist()) == (answer.dtype, answer.tolist())


def test_a_model_whose_sizes_in_the_file_cannot_run_opens_where_they_vary(tmp_path):
    """Some files have a 1 for every size that varies, and kernels that need more."""
    model = TfliteModel()
    given, taken = model.tensor("x", (1, 1)), model.tensor("y", (1, 2))
    model.graph.tensors[given].shapeSignature = [-1, -1]
    weights = model.constant("w", np.array([[1, 0, 0, 0], [0, 0, 0, 1]], np.float32))
    model.operator("FULLY_CONNECTED", [given, weights, -1], [taken], kind="FullyConnected")
    model.graph.inputs, model.graph.outputs = [given], [taken]
    runtime = opened(tmp_path, model.data())

    with pytest.raises(RuntimeFailedError):
        runtime.run({"x": np.ones((1, 1), np.float32)})
    answer = runtime.run({"x": np.arange(4, dtype=np.float32).reshape(1, 4)})

    assert answer["y"].tolist() == [[0.0, 3.0]]


def test_what_does_not_fit_is_refused_and_the_next_frame_runs(tmp_path):
    """A fixed dimension, a type, a missing input: an error each, and no harm is left behind."""
    runtime = opened(tmp_path, tflite_models.identity())
    wrong = ({"x": np.ones((1, 3), np.float32)}, {"x": np.ones((1, 2), np.int8)}, {})
    for inputs in wrong:
        with pytest.raises(RuntimeFailedError):
            runtime.run(inputs)

    assert runtime.run({"x": np.array([[5, 6]], np.float32)})["x_out"].tolist() == [[5, 6]]


def test_a_segment_compiled_for_a_coral_is_explained(tmp_path):
    """The compiler's own operator runs on no processor."""
    with pytest.raises(RuntimeOpenError, match="compiled for a Coral Edge TPU"):
        opened(tmp_path, tflite_models.compiled())


def test_a_closed_segment_gives_no_answer(tmp_path):
    """It says so, by the usual error."""
    runtime = opened(tmp_path, tflite_models.identity())
    runtime.close()

    with pytest.raises(RuntimeFailedError, match="closed"):
        runtime.run({"x": np.ones((1, 2), np.float32)})
