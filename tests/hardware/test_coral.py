"""Corals of this machine: what their probe says, and what happens when one drops off its bus."""

from collections import Counter

import pytest

from agent.probes.coral import CoralProbe
from fleet import golden_files, split_folder
from fleet.split_folder import SEGMENTS_FOLDER
from tests.hardware import this_machine
from tests.hardware.corals import Corals
from tests.hardware.test_accelerators import CORAL_SPLIT, HOW
from tests.system.place import until

EDGETPU = "tflite_edgetpu"
WITHOUT_SECONDS = 5.0
"""How soon the processor has taken over."""
STABLE_SECONDS = 60.0
"""How long a stick that is back is watched before it is used again."""


@pytest.fixture
def found():
    """The Corals here, as the runtime names them."""
    return this_machine.needs_runtime(EDGETPU, "a machine with a Coral", __file__)


@pytest.fixture
def readings(found):
    """What the probe reads."""
    return list(CoralProbe().read())


def test_several_are_told_apart(found):
    """Each has a name of its own, memory for weights, and a version of its library."""
    assert set(Counter(one.accelerator for one in found).values()) == {1}
    assert all(one.memory_bytes and one.version for one in found)


def test_a_card_is_alive_and_has_a_temperature(found, readings):
    """From its driver, in a range that silicon survives, below where its clock is halved."""
    if all(one.accelerator.startswith("usb") for one in found):
        pytest.skip("no Coral on PCIe here, and a stick tells no temperature")
    read = {(reading.name, reading.labels): reading.value for reading in readings}
    alive = {labels: value for (name, labels), value in read.items() if name == "coral_alive_flag"}

    assert set(alive.values()) == {1}
    for labels in alive:
        assert 0 < read["coral_celsius", labels] < 100
        assert read["coral_limit_celsius", labels] > 40


def test_a_stick_is_on_a_fast_port(found, readings):
    """A USB 2 port or cable is the most frequent reason for a slow one."""
    if not any(one.accelerator.startswith("usb") for one in found):
        pytest.skip("no Coral on USB here")
    links = [one.value for one in readings if one.name == "coral_link_bits_per_second"]

    assert min(links) >= 5e9


def test_one_that_drops_off_its_bus(found, place):
    """The processor takes over within 5 s and says why; a stick that is back is used again."""
    this_machine.needs_root(__file__)
    folder = this_machine.needs_split(CORAL_SPLIT, HOW, __file__)
    first = split_folder.read(folder).segments[0]
    frame, _ = golden_files.read(folder / SEGMENTS_FOLDER / first.name)
    stages = len(split_folder.read(folder).segments)
    place.start("a")
    place.deploy(folder, *["a"] * stages)
    pipeline = place.site.pipeline("p")
    corals = Corals()

    def serving():
        return place.reported("a").assignments

    def answered():
        (answer,) = pipeline.stream([frame], deadline_seconds=WITHOUT_SECONDS)
        return answer.error is None

    assert answered()
    assert {one.runtime_actual for one in serving()} >= {EDGETPU}
    assert all(one.degraded is None for one in serving())
    corals.pull()
    try:
        until(answered, "an answer without it", WITHOUT_SECONDS)
        until(lambda: any(one.degraded for one in serving()), "the reason", WITHOUT_SECONDS)

        assert EDGETPU not in {one.runtime_actual for one in serving()}
    finally:
        corals.put_back()
    until(
        lambda: all(one.degraded is None for one in serving()),
        "the stick, used again",
        STABLE_SECONDS + 60,
    )

    assert EDGETPU in {one.runtime_actual for one in serving()}
    assert answered()
