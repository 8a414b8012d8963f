"""Segments compiled for an Edge TPU, through a delegate that stands in for libedgetpu."""

import subprocess
import sys

import numpy as np
import pytest

from agent import coral
from agent.errors import AcceleratorLostError, AcceleratorMissingError, RuntimeFailedError
from agent.runtimes import RuntimeOptions
from agent.runtimes.tflite_edgetpu import TfliteEdgetpuRuntime
from tests.fixtures import stub_edgetpu, tflite_models

ROW = np.array([[1, -2, 3, 4]], np.int8)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """The stand-in."""
    return stub_edgetpu.compiled(tmp_path_factory.mktemp("library"))


@pytest.fixture
def segment(tmp_path, library, monkeypatch):
    """A compiled segment's folder, on a machine with one stick and our library."""
    stub_edgetpu.plug_in(tmp_path / "sys")
    monkeypatch.setenv(coral.LIBRARY_VARIABLE, str(library))
    monkeypatch.setenv(coral.SYSFS_VARIABLE, str(tmp_path / "sys"))
    folder = tmp_path / "segment"
    folder.mkdir()
    (folder / "segment.tflite").write_bytes(tflite_models.identity("int8", (1, 4)))
    (folder / "segment_edgetpu.tflite").write_bytes(tflite_models.compiled("int8", (1, 4)))
    return folder


def behaves(monkeypatch, how):
    """Have the stand-in behave otherwise."""
    monkeypatch.setenv("STUB_EDGETPU", how)


def test_each_edge_tpu_is_one_accelerator(segment, tmp_path):
    """Cards before sticks, as the delegate counts them, with the memory on the chip."""
    stub_edgetpu.plug_in(tmp_path / "sys", "1-1.4", loaded=False)
    stub_edgetpu.card(tmp_path / "sys")

    found = TfliteEdgetpuRuntime.detect()

    assert [one.accelerator for one in found] == ["pci:0", "usb:0", "usb:1"]
    assert {8 << 20} == {one.memory_bytes for one in found}


def test_the_delegate_runs_what_was_compiled(segment):
    """The right answer, and who gave it."""
    runtime = TfliteEdgetpuRuntime.open(segment, RuntimeOptions())
    answer = runtime.run({"x": ROW})["x_out"].tolist()
    actual = runtime.actual
    runtime.close()
    runtime.close()

    assert ROW.tolist() == answer
    assert (actual.accelerator, actual.short_of) == ("usb:0", "")
    with pytest.raises(RuntimeFailedError, match="closed"):
        runtime.run({"x": ROW})


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("create=fail", "no Edge TPU device found"),
        ("prepare=fail", r"requires runtime version \(15\)"),
        ("claim=nothing", "did not take the segment"),
    ],
)
def test_what_does_not_run_on_it_is_not_run_elsewhere(segment, monkeypatch, how, said):
    """A device that is not there, a delegate that refuses, one that claims nothing."""
    behaves(monkeypatch, how)

    with pytest.raises(AcceleratorMissingError, match=said):
        TfliteEdgetpuRuntime.open(segment, RuntimeOptions(accelerator="usb:0"))


def test_a_library_that_is_not_there(segment, monkeypatch):
    """Its name, and the linker's reason."""
    monkeypatch.setenv(coral.LIBRARY_VARIABLE, "/nowhere/libedgetpu.so.1")

    with pytest.raises(AcceleratorMissingError, match="cannot open shared object file"):
        TfliteEdgetpuRuntime.open(segment, RuntimeOptions())
    with pytest.raises(AcceleratorMissingError, match="cannot open shared object file"):
        TfliteEdgetpuRuntime.prove()


def test_a_segment_that_was_not_compiled(segment):
    """It says what compiles it."""
    (segment / "segment_edgetpu.tflite").unlink()

    with pytest.raises(AcceleratorMissingError, match="split --for edgetpu"):
        TfliteEdgetpuRuntime.open(segment, RuntimeOptions())


def test_a_device_that_drops_off_the_bus(segment, monkeypatch):
    """The run that it fails, and all that follow; opened again, it is there again."""
    behaves(monkeypatch, "fail_at=2")
    source = "from tests.unit.agent.runtimes.test_tflite_edgetpu import lose; lose()"
    done = subprocess.run(
        [sys.executable, "-c", source, str(segment)], capture_output=True, text=True, check=False
    )

    assert done.stdout.strip() == "answered, lost, lost, answered", done.stderr


def test_inputs_that_do_not_fit_are_not_its_fault(segment):
    """The accelerator is not lost by them."""
    runtime = TfliteEdgetpuRuntime.open(segment, RuntimeOptions())
    with pytest.raises(RuntimeFailedError):
        runtime.run({"x": ROW.astype(np.float32)})

    assert ROW.tolist() == runtime.run({"x": ROW})["x_out"].tolist()
    runtime.close()


def test_the_proof(segment, monkeypatch):
    """Device, delegate and interpreter together; a device that is gone is not proved."""
    TfliteEdgetpuRuntime.prove("usb:0")
    behaves(monkeypatch, "create=fail")

    with pytest.raises(AcceleratorMissingError, match="no Edge TPU device found"):
        TfliteEdgetpuRuntime.prove("usb:0")


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Return what puts a file of a package where Python looks; what came of it is forgotten."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))

    def install(name, text=""):
        file = tmp_path / "site" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    yield install
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in {"pycoral", "tflite_runtime"}:
            del sys.modules[name]


def test_the_other_pycoral_is_not_touched(segment, installed, monkeypatch):
    """The registry's is no library for an Edge TPU: not even imported."""
    monkeypatch.delenv(coral.LIBRARY_VARIABLE)
    installed("pycoral/__init__.py", "raise SystemExit('maps of coral reefs')")
    installed("pycoral/cli.py")

    with pytest.raises(AcceleratorMissingError, match=r"libedgetpu\.so\.1"):
        TfliteEdgetpuRuntime.open(segment, RuntimeOptions())


def test_googles_pycoral_makes_the_delegate_where_it_is(segment, installed, library, monkeypatch):
    """With the interpreter that it brings; the answer is the same."""
    monkeypatch.delenv(coral.LIBRARY_VARIABLE)
    for name in ("pycoral/__init__.py", "pycoral/utils/__init__.py", "tflite_runtime/__init__.py"):
        installed(name)
    installed("tflite_runtime/interpreter.py", "from ai_edge_litert.interpreter import *")
    installed(
        "pycoral/utils/edgetpu.py",
        "import tflite_runtime.interpreter as tflite\n"
        "def load_edgetpu_delegate(options):\n"
        f"    return tflite.load_delegate({str(library)!r}, options)\n",
    )
    runtime = TfliteEdgetpuRuntime.open(segment, RuntimeOptions(accelerator="usb:0"))
    answer = runtime.run({"x": ROW})["x_out"].tolist()
    runtime.close()
    behaves(monkeypatch, "create=fail")

    assert answer == ROW.tolist()
    assert "pycoral.utils.edgetpu" in sys.modules
    with pytest.raises(AcceleratorMissingError, match="no Edge TPU device found"):
        TfliteEdgetpuRuntime.open(segment, RuntimeOptions())


def lose():
    """In a process of its own, where the second run fails: run, and tell."""
    from pathlib import Path

    told = []
    for _ in range(2):
        runtime = TfliteEdgetpuRuntime.open(Path(sys.argv[1]), RuntimeOptions())
        for _ in range(3 - 2 * bool(told)):
            try:
                runtime.run({"x": ROW})
                told.append("answered")
            except AcceleratorLostError as error:
                told.append("lost" if "USB transfer error" in str(error) else str(error))
        runtime.close()
    print(", ".join(told))
