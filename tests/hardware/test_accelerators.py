"""Each accelerated runtime, on the accelerators that it finds on this machine."""

import pytest

from agent.worker.warmup import difference
from fleet import golden_files, split_folder
from fleet.split_folder import SEGMENTS_FOLDER
from tests.hardware import this_machine
from wire import segment_files

WHERE = {
    "tflite_edgetpu": "a machine with a Coral",
    "onnx_cuda": "a Jetson or a PC with an NVIDIA GPU",
    "onnx_tensorrt": "a Jetson or a PC with an NVIDIA GPU",
}
CORAL_SPLIT = "PACELINE_CORAL_SPLIT"
GPU = ("onnx_cuda", "onnx_tensorrt")
FRAMES = 20
HOW = "where edgetpu_compiler is: paceline split MODEL.tflite --for edgetpu --out DIR"


@pytest.fixture(params=WHERE)
def name(request):
    """A runtime that finds something here."""
    this_machine.needs_runtime(request.param, WHERE[request.param], __file__)
    return request.param


@pytest.fixture
def segments(name, request):
    """Folders of segments that this runtime opens, and how far off each may be on a device."""
    if name == "tflite_edgetpu":
        folder = this_machine.needs_split(CORAL_SPLIT, HOW, __file__)
    else:
        folder = request.getfixturevalue("chain").folder
    return [
        (folder / SEGMENTS_FOLDER / one.name, one.tolerance, one.quanta or 0)
        for one in split_folder.read(folder).segments
        if name != "tflite_edgetpu" or segment_files.EDGETPU in {file.name for file in one.files}
    ]


def test_each_accelerator_is_proved(name):
    """A real inference on it gave the right answer, in a process of its own."""
    assert [one for one in this_machine.runtime(name) if not one.works] == []


@pytest.mark.timeout(2 * this_machine.LIMIT_SECONDS)
def test_a_segment_answers_as_the_processor_does(name, segments):
    """The golden frame's answer, computed on the accelerator and no part of it elsewhere."""
    for found in this_machine.runtime(name):
        for segment, tolerance, quanta in segments:
            inputs, expected = golden_files.read(segment)
            got, report = this_machine.run_segment(segment, inputs, name, found.accelerator)

            assert (report.accelerator, report.short_of) == (found.accelerator, "")
            for tensor, array in expected.items():
                difference(tensor, got.get(tensor), array, tolerance, quanta)


@pytest.mark.timeout(2 * this_machine.LIMIT_SECONDS)
def test_the_processor_gives_the_same_without_it(name, segments):
    """Whoever takes over opens the same folder and gives the golden frame's answer."""
    fallback = this_machine.runtime(name)[0].fallback
    for segment, tolerance, quanta in segments:
        inputs, expected = golden_files.read(segment)
        got, report = this_machine.run_segment(segment, inputs, fallback)

        assert report.accelerator == "cpu"
        for tensor, array in expected.items():
            difference(tensor, got.get(tensor), array, tolerance, quanta)


@pytest.mark.timeout(2 * this_machine.LIMIT_SECONDS)
@pytest.mark.parametrize("name", GPU)
def test_a_pipeline_serves_on_a_gpu(name, place, chain):
    """Three segments beside each other, none of them on the processor, with the right answers."""
    this_machine.needs_runtime(name, WHERE[name], __file__)
    place.start("a")
    asked = {"runtime": name, "require_accelerator": True}
    place.deploy(chain.folder, "a", "a", "a", **asked, timeout_seconds=this_machine.LIMIT_SECONDS)
    frames = (chain.inputs(number) for number in range(FRAMES))

    answers = list(place.site.pipeline("p").stream(frames))

    assert [answer.error for answer in answers] == [None] * FRAMES
    assert all(chain.right(answer.sequence, answer.tensors) for answer in answers)
    for served in place.reported("a").assignments:
        assert served.runtime_actual == name
        assert served.degraded is None


@pytest.mark.timeout(2 * this_machine.LIMIT_SECONDS)
def test_an_engine_is_built_once(chain, tmp_path, monkeypatch):
    """TensorRT's program for a segment is kept on the device, and taken again as it is."""
    this_machine.needs_runtime("onnx_tensorrt", WHERE["onnx_tensorrt"], __file__)
    monkeypatch.setenv("PACELINE_CACHE", str(tmp_path))
    segment = chain.folder / SEGMENTS_FOLDER / chain.manifest.segments[0].name
    inputs, _ = golden_files.read(segment)

    def built():
        this_machine.run_segment(segment, inputs, "onnx_tensorrt")
        return {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}

    first = built()

    assert first != {}
    assert built() == first
