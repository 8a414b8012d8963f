"""Runtimes: each proved by a real inference in a child; and accelerators that none of them uses."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from agent.coral import USB_IDS
from agent.doctor import Group, note, ok, problem, warning
from agent.examination.subject import Subject
from wire import plugins
from wire.reports import Finding, ProbeReport, RuntimeReport

PROBE_SECONDS: Final = 40.0
_NO_MODEL: Final = "identity"
"""It runs anywhere, and no model."""


class Accelerator(NamedTuple):
    """Hardware that a runtime of another kind would use."""

    name: str
    seen: str
    """Where it was seen."""
    runtimes: tuple[str, ...]
    """What a runtime for it may be called."""
    fix: str


def findings(subject: Subject) -> Iterator[Finding]:
    """Yield what runs here, and what could."""
    proved: set[str] = set()
    for report in reports():
        if report.works:
            proved.add(report.name)
        yield proof(report)
    if proved <= {_NO_MODEL}:
        yield problem(
            "runtimes.none",
            "no runtime can run a model here",
            f"{sys.executable} -m pip install 'paceline[cpu]'",
        )
    for accelerator in accelerators(subject):
        yield from unused(accelerator, proved)
    yield from closed(subject)


def reports() -> Sequence[RuntimeReport]:
    """Return what the proofs came to; where one of them crashes, each is asked for alone."""
    every = _probe()
    if isinstance(every, str):
        return [probed(name) for name in plugins.names("agent.runtimes")]
    return every.runtimes


def probed(name: str) -> RuntimeReport:
    """Return what the proof of one runtime came to; a crash is an answer, too."""
    found = _probe("--runtime", name)
    if isinstance(found, str):
        return RuntimeReport(name=name, works=False, reason=found)
    return found.runtimes[0]


def _probe(*options: str) -> ProbeReport | str:
    """Return what a child proves, or why it does not."""
    try:
        ended = subprocess.run(
            (sys.executable, "-I", "-m", "agent", "probe", "--json", *options),
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=PROBE_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"its proof took over {PROBE_SECONDS:g} s"
    except OSError as error:
        return f"its proof cannot be started ({error.strerror})"
    try:
        return msgspec.json.decode(ended.stdout, type=ProbeReport)
    except (msgspec.DecodeError, UnicodeDecodeError):
        last = ended.stderr.decode(errors="replace").strip().splitlines()[-1:]
        return f"its proof ended with status {ended.returncode}: {' '.join(last):.200}"


def proof(report: RuntimeReport) -> Finding:
    """Return what a proof means."""
    if report.works:
        version = f" {report.version}" if report.version else ""
        said = f"{report.name}{version} ran a proof ({report.accelerator or 'none'})"
        return ok("runtimes.proof", said)
    reason = report.reason or "it does not say why"
    if "missing" in reason:
        return note("runtimes.proof", f"{report.name}: {reason}")
    return problem(
        "runtimes.proof",
        f"{report.name} is installed and does not work: {reason}",
        "reinstall its library: see the extras of paceline ([cpu], [gpu], [openvino], [coral])",
    )


def accelerators(subject: Subject) -> Iterator[Accelerator]:
    """Yield the accelerators that this machine has."""
    pip = f"{sys.executable} -m pip install"
    coral = f"{pip} 'paceline[coral]', and libedgetpu1-std of Coral's packages"
    apex = sorted(subject.path("dev").glob("apex_[0-9]*"))
    sticks = [text for text in _usb(subject) if tuple(text.split(":")) in USB_IDS]
    if apex or sticks:
        seen = f"/dev/{apex[0].name}" if apex else f"USB {sticks[0]}"
        yield Accelerator("a Coral Edge TPU", seen, ("tflite_edgetpu", "litert_edgetpu"), coral)
    nvidia = ("onnx_cuda", "onnx_gpu", "tensorrt")
    tegra = "nvidia,tegra" in (subject.text("proc/device-tree/compatible") or "")
    if tegra or subject.path("etc/nv_tegra_release").exists():
        fix = f"{pip} onnxruntime-gpu, of NVIDIA's builds for this JetPack, instead of onnxruntime"
        yield Accelerator("a Jetson's GPU", "/proc/device-tree", nvidia, fix)
    elif subject.path("proc/driver/nvidia/version").exists():
        yield Accelerator("an NVIDIA GPU", "/proc/driver/nvidia", nvidia, f"{pip} 'paceline[gpu]'")


def unused(accelerator: Accelerator, proved: set[str]) -> Iterator[Finding]:
    """Yield that an accelerator is here and nothing uses it."""
    known = set(accelerator.runtimes) & set(plugins.names("agent.runtimes"))
    said = f"{accelerator.name} is here ({accelerator.seen})"
    if proved & set(accelerator.runtimes):
        yield ok("runtimes.accelerator", f"{said}, and {min(proved & known)} uses it")
    elif known:
        yield warning("runtimes.accelerator", f"{said}, and no runtime uses it", accelerator.fix)
    else:
        yield note(
            "runtimes.accelerator",
            f"{said}; this version of paceline has no runtime for it, the processor is used",
        )


def closed(subject: Subject) -> Iterator[Finding]:
    """Yield accelerators that this user may not open."""
    for node in sorted(subject.path("dev").glob("apex_[0-9]*")):
        if not os.access(node, os.R_OK | os.W_OK):
            group = _group(node)
            yield warning(
                "runtimes.access",
                f"/dev/{node.name} cannot be opened by this user",
                f"sudo usermod -aG {group} paceline && sudo systemctl restart paceline-agent",
            )


def _usb(subject: Subject) -> Iterator[str]:
    """Yield ``vendor:product`` of each USB device."""
    for device in sorted(subject.path("sys/bus/usb/devices").glob("*")):
        ids = [
            subject.text(f"sys/bus/usb/devices/{device.name}/{i}")
            for i in ("idVendor", "idProduct")
        ]
        if all(ids):
            yield f"{ids[0]}:{ids[1]}"


def _group(node: Path) -> str:
    try:
        return node.group()
    except (KeyError, OSError):
        return "apex"


PLUGIN = Group("Runtimes", findings, limit_seconds=150.0)
