"""Runtimes, proved in children; accelerators, seen in /sys and /dev."""

import pytest

from agent.doctor import runtimes
from tests.unit.agent.doctor.machines import machine, severities, told
from wire.reports import RuntimeReport


def test_each_runtime_is_proved_by_a_real_inference(tmp_path):
    """In a child of its own."""
    found = told(f for f in runtimes.findings(machine(tmp_path)) if "onnx_cpu" in f.evidence)

    assert found["runtimes.proof"][0] == "ok"


@pytest.mark.parametrize(
    ("reason", "severity"),
    [("library or device is missing", "note"), ("its proof ended with status -11: ", "problem")],
)
def test_what_does_not_work_is_told(reason, severity):
    """A library that is not installed is none of it."""
    report = RuntimeReport(name="onnx_gpu", works=False, reason=reason)

    assert runtimes.proof(report).severity == severity


def test_a_proof_that_gives_no_report_is_a_finding():
    """An unknown runtime's child ends with a status."""
    report = runtimes.probed("abacus")

    assert not report.works
    assert "status 3" in report.reason


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"dev/apex_0": ""}, "a Coral Edge TPU is here (/dev/apex_0)"),
        (
            {
                "sys/bus/usb/devices/2-1/idVendor": "1a6e\n",
                "sys/bus/usb/devices/2-1/idProduct": "089a\n",
            },
            "a Coral Edge TPU is here (USB 1a6e:089a)",
        ),
        (
            {
                "sys/bus/usb/devices/2-1/idVendor": "18d1\n",
                "sys/bus/usb/devices/2-1/idProduct": "9302\n",
            },
            "a Coral Edge TPU is here (USB 18d1:9302)",
        ),
        (
            {"proc/device-tree/compatible": "nvidia,p3768\0nvidia,tegra234"},
            "a Jetson's GPU is here",
        ),
        ({"proc/driver/nvidia/version": "NVRM version: 560"}, "an NVIDIA GPU is here"),
    ],
)
def test_an_accelerator_that_nothing_uses_is_told(tmp_path, files, says):
    """A stick before and after its firmware is loaded, a card, a GPU."""
    (accelerator,) = runtimes.accelerators(machine(tmp_path, files))
    (found,) = runtimes.unused(accelerator, {"onnx_cpu"})

    assert says in found.evidence
    assert found.severity in {"note", "warning"}


def test_a_plain_machine_has_no_accelerator(tmp_path):
    """Other USB devices are none."""
    usb = {"sys/bus/usb/devices/1-1/idVendor": "18d1", "sys/bus/usb/devices/1-1/idProduct": "4ee1"}

    assert list(runtimes.accelerators(machine(tmp_path, usb))) == []
    assert severities(runtimes.closed(machine(tmp_path))) == {}
