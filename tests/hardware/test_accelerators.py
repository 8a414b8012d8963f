"""Each accelerated runtime, on the accelerators that it finds on this machine."""

import pytest

from agent.worker.warmup import difference
from fleet import golden_files, split_folder
from fleet.control.runtime_choice import EDGETPU_FILE
from fleet.split_folder import SEGMENTS_FOLDER
from tests.hardware import this_machine

WHERE = {
    "tflite_edgetpu": "a machine with a Coral",
    "onnx_cuda": "a Jetson or a PC with an NVIDIA GPU",
    "onnx_tensorrt": "a Jetson or a PC with an NVIDIA GPU",
}
CORAL_SPLIT = "PACELINE_CORAL_SPLIT"
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
        if name != "tflite_edgetpu" or EDGETPU_FILE in {file.name for file in one.files}
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
