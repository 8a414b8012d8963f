"""What this machine has, each found and proved in a child process, and why a test is skipped."""

import functools
import os
import tempfile
from pathlib import Path

import pytest

from fleet import children
from paceline.device import kinds
from wire import codecs, samples
from wire.frame import Frame, Kind
from wire.reports import ProbeReport, RunReport

LIMIT_SECONDS = 900.0
"""A TensorRT engine takes minutes to build."""


@functools.cache
def runtime(name):
    """Return a report for each accelerator that a runtime finds here, proved; none: no such."""
    report = children.call("probe", ["--runtime", name], ProbeReport, limit_seconds=LIMIT_SECONDS)
    return tuple(one for one in report.runtimes if one.accelerator is not None)


def needs_runtime(name, where, test):
    """Skip where a runtime finds no accelerator; else return its reports."""
    found = runtime(name)
    if not found:
        pytest.skip(f"{name} finds nothing here; on {where}: {command(test)}")
    return found


def needs_kind(kind, test):
    """Skip on another kind of machine; a Raspberry Pi with a Coral is both."""
    here = kinds.detected()
    model = Path("/proc/device-tree/model")
    is_pi = model.exists() and "Raspberry Pi" in model.read_text()
    if kind not in {here.name, *(["raspberry-pi"] if is_pi else [])}:
        pytest.skip(f"this is no {kind} ({here.evidence}); on one: {command(test)}")


def needs_root(test):
    """Skip for whoever may not take a device off its bus."""
    if os.geteuid() != 0:
        pytest.skip(f"needs root: sudo {command(test)}")


def needs_split(variable, how, test):
    """Return the folder of a split that whoever runs the test made; skip where there is none."""
    folder = os.environ.get(variable)
    if not folder:
        pytest.skip(f"{how}; then {variable}=DIR {command(test)}")
    return Path(folder).resolve()


def command(test):
    """Return what runs a file of these tests, in whichever environment has the runtimes."""
    return f"python -m pytest -rs tests/hardware/{Path(test).name}"


def run_segment(segment, inputs, name, accelerator=""):
    """Run one frame through a segment in a child; returns its outputs and its report."""
    with tempfile.TemporaryDirectory() as scratch:
        given, taken = Path(scratch, "inputs"), Path(scratch, "outputs")
        with given.open("wb") as file:
            file.writelines(samples.encode([codecs.tensors(inputs)]))
        arguments = ["--segment", str(segment), "--inputs", str(given), "--outputs", str(taken)]
        arguments += ["--runtime", name, "--accelerator", accelerator]
        report = children.call("run-segment", arguments, RunReport, limit_seconds=LIMIT_SECONDS)
        (sample,) = samples.decode(taken.read_bytes())
    return codecs.arrays(Frame(Kind.DATA, 0, 0, tensors=sample)), report
