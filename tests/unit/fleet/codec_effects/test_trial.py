"""Segments run in their children with coded edges, beside the same with raw ones."""

import numpy as np
import onnx
import pytest

from fleet.codec_effects.report import Bounds
from fleet.codec_effects.trial import CodecRequest, effects
from fleet.errors import CodecChoiceError, CodecRefusedError
from fleet.formats import CutRequest
from fleet.split import split
from tests.unit.fleet.verify.models import F, model, node, random, value, weight
from wire.errors import UnknownPluginError

pytestmark = pytest.mark.usefixtures("in_process")


def mixed():
    """A model of three parts; ``s`` is made by the first and read by the last."""
    return model(
        [
            node("MatMul", ["x", "w"], ["a"]),
            node("Mul", ["a", "large"], ["s"]),
            node("Tanh", ["a"], ["b"]),
            node("MatMul", ["b", "v"], ["c"]),
            node("Relu", ["c"], ["d"]),
            node("MatMul", ["d", "u"], ["e"]),
            node("Add", ["e", "s"], ["y"]),
        ],
        [value("x", F, ("N", 64))],
        [value("y", F, ("N", 64))],
        [random("w", 64, 64), random("v", 64, 64), random("u", 64, 64),
         weight("large", np.float32(30000))],
    )  # fmt: skip


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Split it in three."""
    folder = tmp_path_factory.mktemp("split")
    onnx.save(mixed(), folder / "model.onnx")
    cut = CutRequest(balance="flops", at=("b+s", "d+s"))
    split(folder / "model.onnx", folder / "out", cut)
    return folder / "out"


def test_each_codec_as_a_whole_and_each_edge_alone(parts, real_children):
    """Figures of all edges together, of each one, and what each carries."""
    report = effects(parts, CodecRequest(codecs="int8_token,raw+zstd"))
    int8, packed = report.codecs

    assert (report.inputs, report.made_up, report.passes) == (4, True, True)
    assert (int8.codec, [edge.edge for edge in int8.edges]) == ("int8_token", ["0", "1"])
    assert 0 < int8.figures.relative_l2 < 0.01
    assert all(0 < edge.alone.relative_l2 < 0.01 for edge in int8.edges)
    assert [edge.raw_bytes for edge in int8.edges] == [2 * 64 * 4, 2 * 64 * 4]
    assert [edge.bytes for edge in int8.edges] == [2 * (64 + 5), 2 * (64 + 5)]
    assert packed.figures.max_abs == 0
    assert packed.edges[0].bytes > 0


def test_a_tensor_that_is_passed_on_is_coded_once(parts):
    """``s`` crosses both edges: its loss is that of the first, whether the second codes or not."""
    once = effects(parts, CodecRequest(codecs="0=int8_token"))
    both = effects(parts, CodecRequest(codecs="int8_token"))
    first = both.codecs[0].edges[0]

    assert first.alone == once.codecs[0].figures
    assert both.codecs[0].figures.max_abs <= 1.01 * once.codecs[0].figures.max_abs


def test_what_a_codec_leaves_raw_is_named(parts):
    """``s`` is too large for half floats: it travels raw, and the outputs hardly move."""
    (report,) = effects(parts, CodecRequest(codecs="fp16")).codecs

    assert [edge.travels_raw for edge in report.edges] == [("s",), ("s",)]
    assert report.figures.relative_l2 < 1e-6


def test_examples_are_what_is_run(parts, tmp_path):
    """One mapping a file; the entry's edge is coded where it is asked for."""
    folder = tmp_path / "examples"
    folder.mkdir()
    for number in range(3):
        array = np.random.default_rng(number).standard_normal((number + 1, 64), np.float32)
        np.savez(folder / f"{number}.npz", x=array)
    request = CodecRequest(codecs="entry=int8_token+zstd", examples=tuple(folder.iterdir()))

    report = effects(parts, request)
    (found,) = report.codecs

    assert (report.inputs, report.made_up) == (3, False)
    assert [edge.edge for edge in found.edges] == ["entry"]
    assert found.edges[0].raw_bytes == 2 * 64 * 4
    assert found.figures == found.edges[0].alone
    assert found.figures.relative_l2 > 0


def test_a_broken_bound_refuses_the_codec(parts):
    """With its figures and the edge that does most of it; one that keeps the bound is not named."""
    bounds = Bounds(max_relative_l2=1e-4)
    with pytest.raises(CodecRefusedError) as caught:
        effects(parts, CodecRequest(codecs="fp16,int8_token", bounds=bounds))
    error = caught.value

    assert (error.codec, error.exit_code) == ("int8_token", 5)
    assert "relative L2" in error.figures
    assert "(alone: max abs " in error.edge
    assert [bool(one.broken) for one in error.report.codecs] == [False, True]
    assert not error.report.passes


@pytest.mark.parametrize(
    ("codecs", "error"),
    [
        ("raw", CodecChoiceError),
        ("fp16,raw", CodecChoiceError),
        ("9=fp16", CodecChoiceError),
        ("fp17", UnknownPluginError),
    ],
)
def test_choices_that_cannot_be_are_refused(parts, codecs, error):
    """Before anything runs."""
    with pytest.raises(error):
        effects(parts, CodecRequest(codecs=codecs))
