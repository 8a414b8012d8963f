"""Runtimes, proved in children; accelerators, seen in /sys and /dev."""

import pytest

from agent.doctor import runtimes
from agent.errors import AcceleratorMissingError
from tests.unit.agent.doctor.machines import configured, distribution, machine, severities, told
from wire.reports import RuntimeReport


def test_each_runtime_is_proved_by_a_real_inference(tmp_path):
    """In a child of its own."""
    found = told(f for f in runtimes.findings(machine(tmp_path)) if "onnx_cpu" in f.evidence)

    assert found["runtimes.proof"][0] == "ok"


@pytest.mark.parametrize(
    ("runtime", "reason", "severity", "fix"),
    [
        ("onnx_cuda", "library or device is missing", "note", None),
        ("onnx_cuda", "its proof was ended by SIGSEGV: ", "problem", "onnxruntime-gpu[cuda,cudnn]"),
        ("onnx_cuda", "its proof was ended by SIGSEGV: ", "problem", "--runtime NAME"),
        ("onnx_openvino", "its proof gave [1]", "problem", "'paceline[openvino]'"),
        ("onnx_tensorrt", "its proof took over 40 s", "problem", "--runtime onnx_cuda"),
        ("tflite_cpu", "its proof gave [1]", "problem", "'paceline[coral]'"),
        ("mine", "its proof gave [1]", "problem", "reinstall its library"),
    ],
)
def test_what_does_not_work_is_told(tmp_path, runtime, reason, severity, fix):
    """With the line that repairs it; a library that is not installed is none of it."""
    report = RuntimeReport(name=runtime, works=False, reason=reason)
    found = runtimes.proof(report, machine(tmp_path))

    assert found.severity == severity
    assert (fix in found.fix) if fix else (found.fix is None)


def test_a_missing_library_of_a_gpu_is_named(tmp_path):
    """In the linker's words, and without being sent to the doctor, who says this."""
    error = AcceleratorMissingError("onnx_cuda", "gpu:0", "libcublasLt.so.13: cannot open it")
    report = RuntimeReport(name="onnx_cuda", works=False, reason=str(error), accelerator="gpu:0")

    found = runtimes.proof(report, machine(tmp_path))

    assert found.severity == "problem"
    said = "onnx_cuda (gpu:0) is installed and does not work: libcublasLt.so.13: cannot open it"
    assert found.evidence == said


@pytest.mark.parametrize(
    ("proved", "seconds", "told_of"),
    [
        ({"onnx_tensorrt"}, 120, ["runtimes.start_seconds"]),
        ({"onnx_tensorrt"}, 1800, []),
        ({"onnx_cuda"}, 120, []),
    ],
)
def test_an_engine_needs_patience(tmp_path, proved, seconds, told_of):
    """Where TensorRT works, and a worker may not take the minutes that building takes."""
    subject = configured(tmp_path, f"device: d1\nruntime: {{start_seconds: {seconds}}}\n")

    assert [found.id for found in runtimes.patience(proved, subject)] == told_of
    assert list(runtimes.patience(proved, machine(tmp_path))) == []


JETSON = {"proc/device-tree/compatible": "nvidia,p3768\0nvidia,tegra234"}
CARD = {"proc/driver/nvidia/version": "NVRM version: 560"}


@pytest.mark.parametrize(
    ("installed", "files", "evidence", "fix"),
    [
        ("onnxruntime-gpu", {}, "there is no NVIDIA GPU with its driver", "'paceline[cpu]'"),
        ("onnxruntime-gpu", CARD, "libcuda.so.1 cannot be loaded", "--gpus all"),
        ("onnxruntime-gpu", JETSON, "libcuda.so.1 cannot be loaded", "driver"),
        ("onnxruntime-openvino", {}, "has no OpenVINO provider", "'paceline[openvino]'"),
    ],
)
def test_a_build_for_a_device_that_is_not_here(tmp_path, installed, files, evidence, fix):
    """It was installed for something, and everything runs on the processor, without a word."""
    distribution(tmp_path / "site", installed, "1.31.1")
    subject = machine(tmp_path, files, search_path=[str(tmp_path / "site")])
    none = [
        RuntimeReport(name=name, works=False, reason=runtimes.NOT_HERE)
        for name in ("onnx_cuda", "onnx_openvino")
    ]
    working = [RuntimeReport(name=one.name, works=True) for one in none]

    (found,) = runtimes.idle_builds(none, subject)

    assert (found.id, found.severity) == ("runtimes.build", "problem")
    assert f"{installed} 1.31.1 is installed" in found.evidence
    assert evidence in found.evidence
    assert fix in found.fix
    assert list(runtimes.idle_builds(working, subject)) == []
    assert list(runtimes.idle_builds(none, machine(tmp_path, search_path=[]))) == []


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
