"""The proof of the ONNX runtimes: a small model with a known answer."""

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from agent.errors import RuntimeFailedError
from agent.runtimes import _onnx_proof
from agent.runtimes.onnx_cpu import OnnxCpuRuntime


def test_the_proof_is_the_model_it_says():
    """The bytes carried in the source are a valid model with the operators that they name."""
    proof = onnx.load_model_from_string(_onnx_proof.MODEL)
    onnx.checker.check_model(proof)

    assert [node.op_type for node in proof.graph.node] == ["Conv", "Relu", "MatMul", "ReduceMean"]


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_the_answer_is_what_onnx_itself_says(dtype):
    """By ONNX's own evaluator, which is none of the runtimes; exactly, also in float16."""
    proof = onnx.load_model_from_string(_onnx_proof.MODEL)
    if dtype == np.float16:
        for weight in proof.graph.initializer:
            array = onnx.numpy_helper.to_array(weight)
            if array.dtype == np.float32:
                weight.CopyFrom(onnx.numpy_helper.from_array(array.astype(dtype), weight.name))
    evaluator = ReferenceEvaluator(proof)

    def run(inputs):
        return {"y": evaluator.run(None, {"x": inputs["x"].astype(dtype)})[0]}

    assert _onnx_proof.problem(run) == ""
    assert run({"x": np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4) % 5})["y"].tolist() == [
        [list(row) for row in _onnx_proof.EXPECTED]
    ]


def test_a_wrong_answer_disproves_the_runtime(monkeypatch):
    """A library that computes something else is found out."""
    wrong = _onnx_proof.MODEL.replace(np.float32(3).tobytes(), np.float32(4).tobytes())
    monkeypatch.setattr(_onnx_proof, "MODEL", wrong)

    with pytest.raises(RuntimeFailedError, match=r"expected \[\[\[13\.0, 7\.0\]"):
        OnnxCpuRuntime.prove()


def test_an_answer_of_another_shape_is_wrong():
    """Nor is one that is no number at all."""
    assert _onnx_proof.problem(lambda _: {"y": np.ones((2, 2), np.float32)})
    assert _onnx_proof.problem(lambda _: {"y": np.full((1, 2, 2), np.nan, np.float32)})
