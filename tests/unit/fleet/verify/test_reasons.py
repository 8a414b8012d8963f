"""What runtimes say, made short."""

import pytest

from fleet.verify.reasons import CHARACTERS, short

AROUND = (
    "runtime onnx_cpu: inference failed ([ONNXRuntimeError] : 1 : FAIL : {}); no result was made"
)

UNOPENED = (
    "runtime onnx_cpu: cannot open /a/b (1)/c ([ONNXRuntimeError] : 1 : FAIL : Load model from"
    " /a/b (1)/c/segment.onnx failed:Node () Op (Conv) [ShapeInferenceError] no shape); split the"
    " model again or choose another runtime"
)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            AROUND.format(
                "Non-zero status code returned while running Concat node. Name:'join' Status"
                " Message: /src/core/concat.cc:148 onnxruntime::Status onnxruntime::ConcatBase"
                "::Prepare(Ctx*, const T&) const Non concat axis dimensions must match"
            ),
            "Concat 'join': Non concat axis dimensions must match",
        ),
        (
            AROUND.format(
                "Got invalid dimensions for input: x for the following indices index: 0 Got: 2"
                " Expected: 1 Please fix either the inputs/outputs or the model."
            ),
            "Got invalid dimensions for input: x at axis: 0 Got: 2 Expected: 1",
        ),
        (UNOPENED, "it does not load: Node () Op (Conv) [ShapeInferenceError] no shape"),
        ("killed by signal 9", "killed by signal 9"),
        ("of\nseveral\tlines", "of several lines"),
        ("", ""),
    ],
)
def test_the_noise_is_left_out(said, expected):
    """Which operator, and what is wrong; not where in the runtime's source."""
    assert short(said) == expected


def test_a_paragraph_is_cut():
    """One line fits a terminal's two."""
    text = short("x" * 1000)

    assert len(text) == CHARACTERS
    assert text.endswith("…")
