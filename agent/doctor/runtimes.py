"""Runtimes: each proved by a real inference in a child; and accelerators that none of them uses."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from agent.coral import USB_IDS
from agent.doctor import Group, note, ok, problem, warning
from agent.examination import runtime_libraries
from agent.examination.subject import Subject
from agent.exit_status import how_it_ended
from wire import plugins
from wire.reports import Finding, ProbeReport, RuntimeReport

PROBE_SECONDS: Final = 40.0
NOT_HERE: Final = "library or device is missing"
"""What the probe says of a runtime that finds nothing."""
_ASKS_US: Final = "; `paceline doctor` on the device"
_WHO: Final = re.compile(r"^runtime \S+( on \S+)?: ")
ENGINE_SECONDS: Final = 1800.0
"""What a large segment's may take on a small Jetson."""
_BUILDS_ENGINES: Final = "onnx_tensorrt"
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
    found = reports()
    proved = {report.name for report in found if report.works}
    for report in found:
        yield proof(report, subject)
    yield from idle_builds(found, subject)
    yield from patience(proved, subject)
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
        said = "".join(f": {line:.200}" for line in last)
        return f"its proof {how_it_ended(ended.returncode)}{said}"


def proof(report: RuntimeReport, subject: Subject) -> Finding:
    """Return what a proof means."""
    where = f" ({report.accelerator})" if report.accelerator else ""
    if report.works:
        version = f" {report.version}" if report.version else ""
        return ok("runtimes.proof", f"{report.name}{version} ran a proof{where or ' (none)'}")
    reason = _WHO.sub("", (report.reason or "it does not say why").partition(_ASKS_US)[0])
    if reason == NOT_HERE:
        return note("runtimes.proof", f"{report.name}: {reason}")
    return problem(
        "runtimes.proof",
        f"{report.name}{where} is installed and does not work: {reason}",
        runtime_libraries.repair(report.name, reason, subject),
    )


def idle_builds(found: Sequence[RuntimeReport], subject: Subject) -> Iterator[Finding]:
    """Yield builds of onnxruntime that are installed for a device, and find none here."""
    installed = {str(d.metadata["Name"]): d.version for d in subject.distributions()}
    for build in runtime_libraries.BUILDS:
        of_it = [report for report in found if report.name == build.runtime]
        if build.distribution in installed and {report.reason for report in of_it} == {NOT_HERE}:
            why, fix = build.why_idle(subject)
            said = f"{build.distribution} {installed[build.distribution]} is installed"
            yield problem("runtimes.build", f"{said}, and {build.runtime} cannot run: {why}", fix)


def patience(proved: set[str], subject: Subject) -> Iterator[Finding]:
    """Yield that an engine takes longer to build than a worker may take to start."""
    config = subject.config
    if _BUILDS_ENGINES in proved and config and config.runtime.start_seconds < ENGINE_SECONDS:
        limit = config.runtime.start_seconds
        yield note(
            "runtimes.start_seconds",
            f"{_BUILDS_ENGINES} builds an engine for minutes when a segment first starts, and a"
            f" worker may take {limit:g} s",
            f"runtime.start_seconds: {ENGINE_SECONDS:g} in {subject.config_file or 'agent.yaml'},"
            f" and paceline deploy --timeout {ENGINE_SECONDS:g}",
        )


def accelerators(subject: Subject) -> Iterator[Accelerator]:
    """Yield the accelerators that this machine has."""
    pip = f"{sys.executable} -m pip install"
    coral = f"{pip} 'paceline[coral]', and a libedgetpu that fits it: see docs/coral.md"
    apex = sorted(subject.path("dev").glob("apex_[0-9]*"))
    sticks = [text for text in _usb(subject) if tuple(text.split(":")) in USB_IDS]
    if apex or sticks:
        seen = f"/dev/{apex[0].name}" if apex else f"USB {sticks[0]}"
        yield Accelerator("a Coral Edge TPU", seen, ("tflite_edgetpu",), coral)
    nvidia = ("onnx_cuda", "onnx_tensorrt")
    if runtime_libraries.is_jetson(subject):
        fix = runtime_libraries.repair("onnx_cuda", "", subject)
        yield Accelerator("a Jetson's GPU", "/proc/device-tree", nvidia, fix)
    elif subject.path("proc/driver/nvidia/version").exists():
        fix = runtime_libraries.repair("onnx_cuda", "", subject)
        yield Accelerator("an NVIDIA GPU", "/proc/driver/nvidia", nvidia, fix)


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
