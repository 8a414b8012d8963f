"""A Coral that drops off the bus while it serves, and comes back, at real agents.

The delegate is a stand-in: what is below it cannot be touched here.
"""

import time

import msgspec
import numpy as np
import pytest

from agent import coral
from fleet import children, split_folder
from fleet.control.deploy_errors import DeployFailedError
from fleet.formats import CutRequest
from fleet.split import Presentation, split
from fleet.split_folder import SEGMENTS_FOLDER
from tests.fixtures import stub_edgetpu, tflite_models
from tests.fixtures.in_process import InProcess
from tests.system.chains import file_of
from tests.system.feeding import Feeding
from tests.system.place import until
from wire import manifest as manifests

SHAPE = (1, 8)
QUICK = {"look_seconds": 0.2, "stable_seconds": 1.0, "run_seconds": 3.0}
"""What takes a minute takes a second; a run that waits for a processor does not count as hung."""
OFTEN = {"sample_seconds": 0.2, "send_seconds": 0.2}
"""A warning is told even if it holds for that second alone."""


class Copy:
    """A model that returns what it is given, compiled for an Edge TPU and for the processor."""

    def __init__(self, folder):
        model = folder / "copy.tflite"
        model.write_bytes(tflite_models.identity("int8", SHAPE))
        self.folder = folder / "split"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(children, "subprocess", InProcess)
            made = split(model, self.folder, CutRequest(stages=1), Presentation(name="p"))
        (segment,) = made.segments
        file = self.folder / SEGMENTS_FOLDER / segment.name / "segment_edgetpu.tflite"
        file.write_bytes(tflite_models.compiled("int8", SHAPE))
        segment = msgspec.structs.replace(segment, files=(*segment.files, file_of(file)))
        made = msgspec.structs.replace(made, segments=(segment,))
        (self.folder / split_folder.MANIFEST_FILE).write_bytes(manifests.encode(made))

    def inputs(self, number):
        """Return the inputs of frame ``number``, when it is time for it."""
        time.sleep(0.02)
        return {"x": row(number)}

    def right(self, number, outputs):
        """Whether these are the model's outputs of frame ``number``."""
        return np.array_equal(outputs["x_out"], row(number))


def row(number):
    """Return what can be told from others."""
    return np.full(SHAPE, number % 100, np.int8)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The model."""
    return Copy(tmp_path_factory.mktemp("copy"))


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """The stand-in."""
    return stub_edgetpu.compiled(tmp_path_factory.mktemp("library"))


@pytest.fixture(scope="module")
def stick(shared_place, library, tmp_path_factory):
    """Device ``d1`` with a stick; returns what has it behave otherwise."""
    folder = tmp_path_factory.mktemp("stick")
    stub_edgetpu.plug_in(folder / "sys")
    shared_place.environments["d1"] = {
        coral.LIBRARY_VARIABLE: str(library),
        coral.SYSFS_VARIABLE: str(folder / "sys"),
        "STUB_EDGETPU_FILE": str(folder / "how"),
    }
    shared_place.start("d1", accelerator=QUICK, telemetry=OFTEN)
    until(lambda: shared_place.ear.last("info", "d1"), "what the device can do")
    return stub_edgetpu.Behaviour(folder / "how")


def proved(info):
    """Whether the device says there that its Edge TPU works."""
    return [one.proved for one in info.runtimes if one.accelerator == "usb:0"]


class Since:
    """What the device has said since this was made: also what held for a moment only."""

    def __init__(self, ear):
        self._ear = ear
        self._before = {
            kind: len(ear.all(kind, "d1")) for kind in ("reported", "info", "tele/health")
        }

    def until(self, kind, claim, what):
        """Wait until a claim is true of a message, or what it makes of one; return that."""

        def found():
            heard = self._ear.all(kind, "d1")[self._before[kind] :]
            return next(filter(None, (claim(each.message) for each in heard)), None)

        return until(found, what)


def serving_on(runtime):
    """Return what finds in a report that the newest generation serves on this."""

    def found(reported):
        told = max(reported.assignments, key=lambda each: each.generation, default=None)
        return told if told and told.runtime_actual == runtime and told.phase == "serving" else None

    return found


def runs_on(place, runtime):
    """Wait until the device says that its segment serves on this; returns what it says."""
    found = serving_on(runtime)
    return until(
        lambda: found(place.reported("d1")), lambda: f"{runtime}; said {place.reported('d1')}"
    )


def works(place):
    """Wait until the device says that its Edge TPU works."""
    until(lambda: proved(place.ear.last("info", "d1")) == [True], "a proved Edge TPU")


def well(place, stick):
    """Wait until the stick works, whatever it did before; returns the place."""
    stick.is_now("")
    works(place)
    return place


def deployed(place, copy, **request):
    """Deploy; returns the pipeline."""
    place.deploy(copy.folder, "d1", runtime="tflite_edgetpu", **request)
    return place.site.pipeline("p")


def test_it_is_not_there_in_the_beginning(shared_place, copy, stick):
    """The segment serves all the same, or not at all where the accelerator is required."""
    place = well(shared_place, stick)
    stick.is_now("gone")
    with pytest.raises(DeployFailedError, match="no Edge TPU device found"):
        deployed(place, copy, require_accelerator=True)
    (degraded,) = place.deploy(copy.folder, "d1", runtime="tflite_edgetpu").degraded
    told = runs_on(place, "tflite_cpu")
    stick.is_now("")

    assert told.degraded == degraded.reason
    assert told.degraded.code == "accelerator.missing"
    assert "no Edge TPU device found" in told.degraded.message
    assert runs_on(place, "tflite_edgetpu").degraded is None


def test_it_drops_off_the_bus_and_comes_back(shared_place, copy, stick):
    """Exactly one frame is an error; the rest are right, on the processor and then on it again."""
    place = well(shared_place, stick)
    stick.is_now("fail_at=40")
    pipeline = deployed(place, copy)
    before, since = runs_on(place, "tflite_edgetpu"), Since(place.ear)
    with Feeding(pipeline, copy) as feeding:
        degraded = since.until("reported", serving_on("tflite_cpu"), "tflite_cpu")
        since.until("info", lambda info: proved(info) == [False], "info without it")
        feeding.more()
        since.until(
            "tele/health",
            lambda health: "accelerator.lost" in {each.code for each in health.problems},
            "the warning",
        )
        again = runs_on(place, "tflite_edgetpu")
        works(place)
        feeding.more()

    assert (before.accelerator_actual, before.degraded) == ("usb:0", None)
    assert (degraded.accelerator_actual, degraded.degraded.code) == ("cpu", "accelerator.lost")
    assert "USB transfer error" in degraded.degraded.message
    assert before.pid == degraded.pid == again.pid
    assert again.degraded is None
    assert dict(feeding.errors) == {"accelerator.lost": 1}
    told = place.log("d1", "accelerator.lost", "accelerator.used_again")
    assert {"accelerator.lost", "accelerator.used_again"} == {line["event"] for line in told}


def test_it_takes_the_process_with_it(shared_place, copy, stick):
    """A crash and a hang: frames are sent again, and the next process begins on the processor."""
    place = well(shared_place, stick)
    pipeline = deployed(place, copy)
    runs_on(place, "tflite_edgetpu")
    with Feeding(pipeline, copy) as feeding:
        feeding.more()
        stick.is_now("invoke=crash")
        crashed = runs_on(place, "tflite_cpu")
        stick.is_now("")
        feeding.more()
        runs_on(place, "tflite_edgetpu")
        stick.is_now("invoke=hang")
        hung = runs_on(place, "tflite_cpu")
        feeding.more()

    assert crashed.degraded.code == "accelerator.lost"
    assert "was ended by SIGSEGV while it used tflite_edgetpu" in crashed.degraded.message
    assert "its run does not end" in hung.degraded.message
    assert (crashed.restarts, hung.restarts) == (1, 2)
    assert dict(feeding.errors) == {}
