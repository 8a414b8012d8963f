"""The runtime that was asked for, its fallback, and the way back; through the stand-in delegate."""

import threading
import time

import numpy as np
import pytest
from msgspec.structs import replace

from agent import coral
from agent.channel import BrokerAccess, Load
from agent.errors import AcceleratorLostError, AcceleratorMissingError, RuntimeFailedError
from agent.worker.engine import Engine
from tests.fixtures import stub_edgetpu
from wire.messages import Assignment, Contract, Reason
from wire.tensors import TensorSpec

ROW = np.array([[1, -2, 3, 4]], np.int8)
X, Y = (TensorSpec(name=name, dtype=3, shape=(1, 4)) for name in ("x", "x_out"))
ASSIGNMENT = Assignment(
    pipeline="p", generation=1, stage=0, segment="s", format="tflite", files=(),
    contract=Contract(receives=(X,), sends=(Y,), inputs=(X,), outputs=(Y,)),
    runtime="tflite_edgetpu",
)  # fmt: skip
CPU = ("tflite_cpu", "cpu")
CORAL = ("tflite_edgetpu", "usb:0")


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """The stand-in."""
    return stub_edgetpu.compiled(tmp_path_factory.mktemp("library"))


@pytest.fixture
def coral_stick(tmp_path, library, monkeypatch):
    """A machine with one stick; returns what has it behave otherwise."""
    stub_edgetpu.plug_in(tmp_path / "sys")
    monkeypatch.setenv(coral.LIBRARY_VARIABLE, str(library))
    monkeypatch.setenv(coral.SYSFS_VARIABLE, str(tmp_path / "sys"))
    monkeypatch.setenv("STUB_EDGETPU_FILE", str(tmp_path / "how"))
    return stub_edgetpu.Behaviour(tmp_path / "how")


@pytest.fixture
def made(tmp_path, coral_stick):
    """Return what makes an engine, which is opened; it says into the list that it is given."""
    folder = tmp_path / "segment"
    stub_edgetpu.write_segment(folder, ROW)

    def make(said, *, required=False, opened=True, **fields):
        order = Load(
            device="d1", site="s", root="r", folder=folder, threads=1, weights="prepacked",
            assignment=replace(ASSIGNMENT, require_accelerator=required),
            broker=BrokerAccess(url="mqtt://nowhere"), inbox_frames=1, inbox_bytes=1 << 16,
            max_frame_bytes=1 << 16, **fields,
        )  # fmt: skip
        engine = Engine(order, said.append)
        if opened:
            engine.open()
        return engine

    return make


def places(said):
    """Where what was told ran, each once."""
    found = [(one.runtime, one.accelerator) for one in said if one.accelerator]
    return [place for place, before in zip(found, [None, *found], strict=False) if place != before]


def answer(engine):
    """What it makes of a row."""
    return engine.run({"x": ROW})["x_out"].tolist()


def test_a_device_that_works_runs_the_segment(made):
    """The supervisor knows beforehand what is at stake, and then what it runs on."""
    said = []
    engine = made(said)
    gap = engine.warm_up()

    assert ROW.tolist() == answer(engine)
    assert gap == 0.0
    assert places(said) == [CORAL]
    assert {True} == {one.at_stake for one in said}
    assert {None} == {one.degraded for one in said}


def test_what_is_not_open_runs_nothing(made):
    """It says so, as of a frame that fails."""
    with pytest.raises(RuntimeFailedError, match="not open"):
        answer(made([], opened=False))


def test_a_device_that_is_missing_is_replaced_with_the_reason(made, coral_stick):
    """The segment opens on the fallback; required, it does not open at all."""
    coral_stick.is_now("gone")
    said = []
    engine = made(said)

    assert ROW.tolist() == answer(engine)
    assert places(said)[-1] == CPU
    assert said[-1].degraded.code == "accelerator.missing"
    assert "no Edge TPU device found" in said[-1].degraded.message
    assert not said[-1].at_stake
    with pytest.raises(AcceleratorMissingError):
        made([], required=True)


def test_what_the_supervisor_knows_of_is_not_touched(made):
    """It crashed the process before: the fallback is opened at once."""
    said = []
    engine = made(said, without=Reason(code="accelerator.lost", message="it crashed"))

    assert ROW.tolist() == answer(engine)
    assert places(said) == [CPU]
    assert said[-1].degraded.message == "it crashed"


def test_a_device_that_is_lost_costs_one_frame(made, coral_stick):
    """That one is an error, the next is answered by the fallback."""
    said = []
    engine = made(said)
    coral_stick.is_now("gone")
    with pytest.raises(AcceleratorLostError):
        answer(engine)

    assert ROW.tolist() == answer(engine)
    assert places(said) == [CORAL, CPU]
    assert said[-1].degraded.code == "accelerator.lost"


def test_a_device_that_is_required_and_lost_ends_the_segment(made, coral_stick):
    """That frame is an error, and then the worker ends with the reason."""
    engine = made([], required=True)
    coral_stick.is_now("gone")
    with pytest.raises(AcceleratorLostError):
        answer(engine)

    with pytest.raises(AcceleratorLostError):
        engine.tick()


def test_a_device_that_is_lost_in_warm_up(made, coral_stick):
    """The golden frame runs on the fallback, too."""
    said = []
    engine = made(said)
    coral_stick.is_now("gone")

    assert engine.warm_up() == 0.0
    assert places(said)[-1] == CPU


def test_a_device_that_comes_back_takes_over_between_two_frames(made, coral_stick):
    """Frames are answered meanwhile; what was degraded is not any more."""
    coral_stick.is_now("gone")
    said = []
    engine = made(said)
    coral_stick.is_now("")
    engine.use_accelerator()
    while said[-1].runtime == "tflite_cpu":
        assert ROW.tolist() == answer(engine)
        engine.tick()
        time.sleep(0.01)

    assert ROW.tolist() == answer(engine)
    assert places(said)[-1] == CORAL
    assert said[-1].degraded is None
    assert said[-1].at_stake


def test_an_order_to_use_it_touches_nothing_until_the_next_tick(made, coral_stick):
    """Whoever waits for credit may be the one that hears it, while a frame runs."""
    coral_stick.is_now("gone")
    said = []
    engine = made(said)
    before = len(said)
    engine.use_accelerator()
    told_at_once = len(said) - before
    tried_at_once = "retake" in {thread.name for thread in threading.enumerate()}
    while len(said) < before + 2:
        engine.tick()
        time.sleep(0.01)

    assert (told_at_once, tried_at_once) == (0, False)


def test_a_device_that_does_not_come_back_is_told(made, coral_stick):
    """It is at stake while it is tried, and then it is not."""
    coral_stick.is_now("gone")
    said = []
    engine = made(said)
    before = len(said)
    engine.use_accelerator()
    while len(said) < before + 2:
        engine.tick()
        time.sleep(0.01)

    assert [one.at_stake for one in said[before:]] == [True, False]
    assert ROW.tolist() == answer(engine)


def test_a_run_that_does_not_end_is_told_as_lost(made):
    """Whoever looks on from another thread ends the process then."""
    said = []
    engine = made(said, accelerator_run_seconds=0.0)
    hung = looked_at_in_a_run(engine)

    assert "tflite_edgetpu did not end its run" in hung.message
    assert "its run does not end" in said[-1].degraded.message
    assert said[-1].at_stake
    assert engine.overdue() is None


def test_a_run_of_the_fallback_that_does_not_end(made):
    """It has a limit of its own, and nothing more is said against the accelerator."""
    said = []
    without = Reason(code="accelerator.lost", message="it crashed")
    patient = made([], without=without, accelerator_run_seconds=0.0)
    engine = made(said, without=without, run_seconds=0.0)
    before = len(said)
    hung = looked_at_in_a_run(engine)

    assert looked_at_in_a_run(patient) is None
    assert "tflite_cpu did not end its run" in hung.message
    assert len(said) == before


def test_a_run_that_takes_its_time_is_not_lost(made):
    """Others took nearly as long: large models, slow devices."""
    engine = made([], accelerator_run_seconds=0.0)
    engine._opened.run = lambda _: time.sleep(0.5) or {}
    engine.run({})

    assert looked_at_in_a_run(engine) is None


def looked_at_in_a_run(engine):
    """Return what is found overdue while it runs."""
    looks = []
    engine._opened.run = lambda _: looks.append(engine.overdue()) or {}
    engine.run({})
    return looks[0]
