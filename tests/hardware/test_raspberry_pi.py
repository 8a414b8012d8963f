"""A Raspberry Pi: what its probes say, its runtimes' proofs, and a pipeline on it."""

import pytest

from agent.probes.thermal import ThermalProbe
from agent.probes.throttling import KINDS, ThrottlingProbe
from tests.hardware import this_machine

FRAMES = 50


@pytest.fixture(autouse=True)
def raspberry_pi():
    """Only on one."""
    this_machine.needs_kind("raspberry-pi", __file__)


def test_its_firmware_says_whether_it_is_slowed_down():
    """Each kind of slowing down, now and since the start."""
    flags = {
        (dict(reading.labels)["kind"], dict(reading.labels)["span"])
        for reading in ThrottlingProbe().read()
        if reading.name == "throttled_flag"
    }

    assert flags == {(kind, span) for kind in KINDS for span in ("now", "occurred")}


def test_its_temperature_is_read():
    """Of a processor that is on, below what its driver calls critical."""
    read = {reading.name: reading.value for reading in ThermalProbe().read()}

    assert 0 < read["thermal_celsius"] < read["thermal_limit_celsius"]


@pytest.mark.parametrize("name", ["onnx_cpu", "tflite_cpu"])
def test_its_runtimes_are_proved(name):
    """A real inference gave the right answer, in a process of its own."""
    (found,) = this_machine.needs_runtime(name, "a Raspberry Pi with its extra", __file__)

    assert found.works, found.reason


def test_a_pipeline_answers_as_the_whole_model(place, chain):
    """Three segments on two agents, frames through a real broker."""
    place.start("a", "b")
    place.deploy(chain.folder, "a", "b", "a")
    frames = (chain.inputs(number) for number in range(FRAMES))
    answers = list(place.site.pipeline("p").stream(frames))

    assert len(answers) == FRAMES
    for answer in answers:
        assert answer.error is None
        assert chain.right(answer.sequence, answer.tensors)
