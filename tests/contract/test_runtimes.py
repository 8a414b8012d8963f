"""Every runtime, found by itself, keeps the promises of the port."""

import threading

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from agent.errors import RuntimeOpenError
from agent.runtimes import Capability, RuntimeOptions
from tests.fixtures import tflite_models
from wire import plugins

NAMES = plugins.names("agent.runtimes")


@pytest.fixture(params=NAMES)
def runtime(request):
    """Each runtime that is usable on this machine."""
    plugin = plugins.load("agent.runtimes", request.param)
    if not plugin.detect():
        pytest.skip(f"{request.param}: no library or no device here")
    return plugin


@pytest.fixture
def segment(tmp_path):
    """A segment whose output is its input, in each format that runtimes read."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["x_out"])],
        "g",
        [value("x", TensorProto.FLOAT, ["N", 2])],
        [value("x_out", TensorProto.FLOAT, ["N", 2])],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(
        helper.make_model(graph, opset_imports=opset, ir_version=9), tmp_path / "segment.onnx"
    )
    (tmp_path / "segment.tflite").write_bytes(tflite_models.identity())
    return tmp_path


@pytest.mark.parametrize("name", NAMES)
def test_detection_is_an_answer(name):
    """Capabilities under the file's name, each another accelerator, or none; no exception."""
    found = plugins.load("agent.runtimes", name).detect()

    assert all(isinstance(one, Capability) and one.runtime == name for one in found)
    assert len({one.accelerator for one in found}) == len(found)


@pytest.mark.parametrize("name", NAMES)
def test_who_takes_over_reads_the_same_segments(name):
    """A runtime's fallback is there, opens all its formats, and needs no accelerator itself."""
    plugin = plugins.load("agent.runtimes", name)
    if not plugin.FALLBACK:
        return

    fallback = plugins.load("agent.runtimes", plugin.FALLBACK)

    assert set(plugin.FORMATS) <= set(fallback.FORMATS)
    assert fallback.FALLBACK == ""


def test_the_proof_holds(runtime):
    """What is detected here gives the right answer here, on each accelerator."""
    for found in runtime.detect():
        runtime.prove(found.accelerator)


def test_a_run_answers_and_its_outputs_stay(runtime, segment):
    """Read-only inputs are taken, others are ignored, outputs outlive the next run."""
    opened = runtime.open(segment, RuntimeOptions())
    first, second = (np.full((1, 2), n, np.float32) for n in (1, 2))
    for array in (first, second):
        array.flags.writeable = False

    before = opened.run({"x": first, "other": first})
    opened.run({"x": second})
    kept = next(iter(before.values())).tolist()
    opened.close()
    opened.close()

    assert kept == [[1.0, 1.0]]
    assert opened.actual.accelerator == runtime.detect()[0].accelerator
    assert opened.actual.short_of == ""
    assert isinstance(opened.inputs, tuple)
    assert isinstance(opened.outputs, tuple)


@pytest.mark.parametrize("name", NAMES)
def test_a_runtime_says_whether_any_thread_may_run_it(name):
    """Nobody has to guess: a library that keeps something for each thread would grow."""
    assert isinstance(plugins.load("agent.runtimes", name).any_thread, bool)


def test_runs_may_come_from_one_thread_after_the_other(runtime, segment):
    """Where a runtime says so, each thread gets the answers to its own inputs."""
    if not runtime.any_thread:
        pytest.skip("it is called from one thread")
    opened, answers, turn = runtime.open(segment, RuntimeOptions()), {}, threading.Lock()

    def run(first):
        for n in range(first, 100, 4):
            with turn:
                outputs = opened.run({"x": np.full((1, 2), n, np.float32)})
                answers[n] = next(iter(outputs.values())).tolist()

    threads = [threading.Thread(target=run, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    opened.close()

    assert answers == {n: [[n, n]] for n in range(100)}


@pytest.mark.parametrize("content", [b"", b"junk" * 100])
def test_what_is_no_segment_is_a_named_error(runtime, tmp_path, content):
    """A runtime that reads segments refuses what is none; one that reads nothing takes anything."""
    for suffix in runtime.FORMATS:
        (tmp_path / f"segment.{suffix}").write_bytes(content)
    if not runtime.FORMATS:
        runtime.open(tmp_path, RuntimeOptions()).close()
        return

    with pytest.raises(RuntimeOpenError, match="cannot open"):
        runtime.open(tmp_path, RuntimeOptions())
