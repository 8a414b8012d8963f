"""Stages of two formats in one pipeline: real runtimes, real agents, a real broker."""

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from fleet.compose.compose import ComposeRequest, compose
from fleet.formats import CutRequest
from fleet.split import Presentation, split
from tests.fixtures.stages import onnx_conv, tflite_conv, tflite_int8_conv

DEVICES = ("d1", "d2", "d3")
ZOO = Path.home() / ".cache" / "paceline" / "zoo"
CUTS = ("model/max_pooling2d_1/MaxPool", "model/max_pooling2d_3/MaxPool")


@pytest.fixture(scope="module")
def place(shared_place):
    """Three agents for all tests."""
    return shared_place.start(*DEVICES)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """One net of three convolutions: each in ONNX, the middle one in TFLite and int8 as well."""
    folder = tmp_path_factory.mktemp("models")
    onnx_conv(folder / "head.onnx", 3, 4)
    onnx_conv(folder / "middle.onnx", 4, 8)
    onnx_conv(folder / "tail.onnx", 8, 2)
    tflite_conv(folder / "middle.tflite", 4, 8)
    tflite_int8_conv(folder / "int8.tflite", 4, 8)
    return folder


def expected(models, array):
    """Return what onnxruntime says of the net in ONNX alone."""
    for name in ("head", "middle", "tail"):
        session = ort.InferenceSession(models / f"{name}.onnx", providers=["CPUExecutionProvider"])
        (array,) = session.run(None, {"x": array})
    return array


def apart(got, wanted):
    """Return the length of the difference by that of what is wanted."""
    return np.linalg.norm(got - wanted) / np.linalg.norm(wanted)


def test_an_onnx_a_tflite_and_an_onnx_stage(place, command, models, tmp_path, in_process):
    """Each is served by its own format's runtime; answers are those of the net in one format."""
    frames = [np.random.default_rng(n).random((1, 3, 6, 5), np.float32) for n in range(5)]

    for middle, most in (("middle.tflite", 1e-5), ("int8.tflite", 0.05)):
        stages = (models / "head.onnx", models / middle, models / "tail.onnx")
        compose(ComposeRequest(stages=stages, out=tmp_path / middle))
        place.deploy(tmp_path / middle, *DEVICES)
        pipeline = place.site.pipeline("p")
        answers = [pipeline.run({"x": frame})["y"] for frame in frames]

        told = [place.assignment(device) for device in DEVICES]
        assert [a.runtime_actual for a in told] == ["onnx_cpu", "tflite_cpu", "onnx_cpu"]
        assert {a.degraded for a in told} == {None}
        pairs = zip(answers, frames, strict=True)
        assert max(apart(got, expected(models, frame)) for got, frame in pairs) < most
        assert len({answer.tobytes() for answer in answers}) == len(frames)
    code, bench = command("bench", "pipeline", "p", "--seconds", "0.5", "--concurrency", "2")
    assert (code, len(bench["levels"])) == (0, 1)


def test_one_net_of_the_zoo_in_both_formats(place, tmp_path, in_process):
    """Embedding of openWakeWord: head and tail from ONNX, the middle from TFLite."""
    files = {suffix: ZOO / f"openwakeword_embedding.{suffix}" for suffix in ("onnx", "tflite")}
    for file in files.values():
        if not file.exists():
            pytest.skip(f"{file.name} is not there (scripts/fetch-zoo)")
    for suffix, end in (("onnx", ":0"), ("tflite", "")):
        at = tuple(cut + end for cut in CUTS)
        split(files[suffix], tmp_path / suffix, CutRequest(at=at), Presentation(name="p"))
    stages = tuple(
        tmp_path / suffix / "segments" / name
        for suffix, name in (("onnx", "00-head"), ("tflite", "01-body"), ("onnx", "02-tail"))
    )

    report = compose(ComposeRequest(stages=stages, out=tmp_path / "mixed", reference=files["onnx"]))
    place.deploy(tmp_path / "mixed", *DEVICES)
    given = {"input_1": np.random.default_rng(1).random((1, 76, 32, 1), np.float32)}
    got = place.site.pipeline("p").run(given)["conv2d_19"]

    assert [joint.matched_by for joint in report.joints] == ["name", "name"]
    assert report.reference.figures.relative_l2 < 1e-5
    session = ort.InferenceSession(files["onnx"], providers=["CPUExecutionProvider"])
    assert apart(got, session.run(None, given)[0]) < 1e-5
    assert place.assignment("d2").runtime_actual == "tflite_cpu"
