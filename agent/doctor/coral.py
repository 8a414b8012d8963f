"""A Coral: its library, whether that fits the interpreter, access, link, temperature.

Google's own builds of libedgetpu (16.0, July 2021) are linked with TensorFlow Lite 2.5, whose
structs are not those of later interpreters: from 2.12 on, and with LiteRT, the process crashes.
Others build it against newer versions and say which in the package's version.

Source: github.com/google-coral/edgetpu/issues/812 (which pairs crash, which work) and
github.com/google-coral/libedgetpu/issues/31 (of which version the builds are).
"""

import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from agent import coral
from agent import sysfs as kernel
from agent.doctor import Group, note, ok, problem, warning
from agent.examination.subject import Subject
from wire.reports import Finding, ProbeReport

RUNTIME: Final = "tflite_edgetpu"
PACKAGES: Final = ("libedgetpu1-std", "libedgetpu1-max")
STOCK_LABEL: Final = "COMPILER=6.3.0 20170516"
"""What the label of Google's own builds for Linux says."""
STOCK_TENSORFLOW: Final = (2, 5)
FIRST_CRASHING: Final = (2, 12)
PROBE_SECONDS: Final = 30.0
SLOW_MEGABITS: Final = 1000
BUILDS: Final = "github.com/feranick/libedgetpu/releases"
FITTING: Final = "16.0TF2.19.1-1"
"""The build of theirs that goes with LiteRT."""

_REVIVE: Final = (
    "end other programs that use the Coral, pull it out and put it back, and look at dmesg"
)
_LOAD: Final = """
import ctypes, json, sys
try:
    library = ctypes.CDLL(sys.argv[1])
    library.edgetpu_version.restype = ctypes.c_char_p
    print(json.dumps({"label": library.edgetpu_version().decode(errors="replace")}))
except (OSError, AttributeError) as error:
    print(json.dumps({"error": str(error)}))
"""


class Library(msgspec.Struct, frozen=True):
    """What loading the library in a process of its own came to."""

    label: str = ""
    """The build's own words."""
    error: str = ""


class Interpreter(NamedTuple):
    """What would use the library."""

    name: str
    version: str
    tensorflow: tuple[int, ...]
    """The version of TensorFlow Lite whose structs it has, or later; empty: not known."""


def findings(subject: Subject) -> Iterator[Finding]:
    """Yield what is wrong with the Corals of this machine; nothing where there is none."""
    sysfs = _sysfs(subject)
    found = coral.accelerators(sysfs)
    if not found:
        return
    yield from cards(sysfs)
    yield from sticks(subject, sysfs)
    name = coral.library(subject.environ)
    library = loaded(subject, name)
    seen = f"Coral here: {', '.join(found)}"
    if library is None:
        yield problem("coral.library", f"{seen}; loading {name} ends the process", _install())
    elif library.error:
        said = f"{seen}; {name} cannot be loaded ({library.error})"
        yield problem("coral.library", said, _install())
    else:
        yield from fits(subject, name, library)
        yield from proof(subject, library)


def loaded(subject: Subject, name: str) -> Library | None:
    """Return what loading the library came to, in a child; None: it ended the child."""
    said = subject.ran(sys.executable, "-I", "-c", _LOAD, name)
    try:
        return msgspec.json.decode(said or "", type=Library)
    except msgspec.DecodeError:
        return None


def fits(subject: Subject, name: str, library: Library) -> Iterator[Finding]:
    """Yield which build of the library it is, and whether the interpreter can use it."""
    package = _package(subject)
    built = tensorflow_of(library.label, package)
    against = f"built against TensorFlow {'.'.join(map(str, built))}" if built else ""
    build = ", ".join(filter(None, (name, package, library.label, against)))
    if not built:
        yield note(
            "coral.library", f"{build}; it does not say which TensorFlow it was built against"
        )
        return
    yield ok("coral.library", build)
    used = interpreter(subject)
    if used is None:
        return
    pair = f"{name} ({against}) with {used.name} {used.version}"
    if crashes(built, used):
        yield problem(
            "coral.pair",
            f"{pair}: this pair is known to crash the process when a model is opened",
            _install(),
        )
    else:
        yield ok("coral.pair", pair)


def proof(subject: Subject, library: Library) -> Iterator[Finding]:
    """Yield whether the delegate opens the device and runs a model here, in a child."""
    child = (sys.executable, "-I", "-m", "agent", "probe", "--json", "--runtime", RUNTIME)
    began = time.monotonic()
    try:
        said = subject.ran(*child, seconds=PROBE_SECONDS)
        reports = msgspec.json.decode(said or "", type=ProbeReport).runtimes
    except msgspec.DecodeError:
        hangs = time.monotonic() - began >= PROBE_SECONDS
        what = f"does not end in {PROBE_SECONDS:g} s" if hangs else "ends the process"
        yield problem(
            "coral.delegate",
            f"opening the device, or a model with it, {what} ({library.label})",
            _REVIVE if hangs else _install(),
        )
        return
    for report in reports:
        if report.works:
            said = f"{RUNTIME} opened {report.accelerator} and ran a proof"
            yield ok("coral.delegate", said)
        elif report.accelerator:
            said, _, advice = (report.reason or "it does not say why").rpartition("; ")
            yield problem("coral.delegate", said or advice, _REVIVE)


def cards(sysfs: Path) -> Iterator[Finding]:
    """Yield what is wrong with cards: the driver's word, and their temperature."""
    for apex in coral.cards(sysfs):
        status = kernel.text(apex / "status")
        if status and status != "ALIVE":
            yield problem(
                "coral.alive",
                f"the driver says that {apex.name} is {status}",
                "switch the device off and on; see dmesg",
            )
        now, limit = kernel.number(apex / "temp"), kernel.number(apex / "trip_point0_temp")
        if now is not None and limit is not None:
            said = f"{apex.name} is at {now / 1000:.0f} of {limit / 1000:.0f} degrees Celsius"
            if now >= limit:
                yield warning(
                    "coral.temperature",
                    f"{said}, where its clock is halved",
                    "improve its cooling, or give it less to do",
                )
            else:
                yield ok("coral.temperature", said)


def sticks(subject: Subject, sysfs: Path) -> Iterator[Finding]:
    """Yield what is wrong with sticks: the speed of their link, and who may open them."""
    for stick, _ in coral.sticks(sysfs):
        megabits = kernel.number(stick / "speed")
        if megabits is not None and megabits < SLOW_MEGABITS:
            yield warning(
                "coral.usb_speed",
                f"the Coral at USB {stick.name} is linked at {megabits} Mbit/s (5000 expected)",
                "put it into a USB 3 port (blue), with its own cable",
            )
        elif megabits is not None:
            yield ok("coral.usb_speed", f"the Coral at USB {stick.name}: {megabits} Mbit/s")
        bus, device = kernel.number(stick / "busnum"), kernel.number(stick / "devnum")
        node = subject.path(f"dev/bus/usb/{bus or 0:03}/{device or 0:03}")
        if node.exists() and not os.access(node, os.R_OK | os.W_OK):
            yield problem(
                "coral.access",
                f"the Coral's device file {node} cannot be opened by this user",
                'echo \'SUBSYSTEM=="usb", ATTR{idVendor}=="1a6e|18d1", MODE="0664",'
                ' GROUP="plugdev"\' | sudo tee /etc/udev/rules.d/60-coral.rules; sudo udevadm'
                " control --reload; sudo usermod -aG plugdev $USER; put the stick in again",
            )


def tensorflow_of(label: str, package: str) -> tuple[int, ...]:
    """Return the version of TensorFlow that a build is linked with; empty: nothing tells.

    Args:
        label: What ``edgetpu_version`` says.
        package: Name and version of the package that brought the library; empty: none.
    """
    said = re.search(r"tf(\d+)\.(\d+)", f"{package} {label}", re.IGNORECASE)
    if said is not None:
        return int(said[1]), int(said[2])
    return STOCK_TENSORFLOW if STOCK_LABEL in label else ()


def interpreter(subject: Subject) -> Interpreter | None:
    """Return the interpreter that would use the library; None: there is none."""
    found = {d.metadata["Name"].lower(): d.version for d in subject.distributions()}
    if "ai-edge-litert" in found:  # newer than any of them, whatever its own number
        return Interpreter("ai-edge-litert", found["ai-edge-litert"], (2, 19))
    if "tflite-runtime" in found:
        version = found["tflite-runtime"]
        numbers = re.match(r"(\d+)\.(\d+)", version)
        parts = tuple(map(int, numbers.groups())) if numbers else ()
        return Interpreter("tflite-runtime", version, parts)
    return None


def crashes(built: tuple[int, ...], used: Interpreter) -> bool:
    """Whether a library and an interpreter are known to crash together."""
    return built < FIRST_CRASHING <= used.tensorflow


def _package(subject: Subject) -> str:
    """Return name and version of the package that brought the library; empty: none did."""
    form = "${Package} ${Version}\\n"
    said = (subject.ran("dpkg-query", "-W", "-f", form, name) for name in PACKAGES)
    return next((text.strip() for text in said if text and " " in text.strip()), "")


def _sysfs(subject: Subject) -> Path:
    named = subject.environ.get(coral.SYSFS_VARIABLE)
    return Path(named) if named else subject.path("sys")


def _install() -> str:
    return (
        f"install {PACKAGES[0]} {FITTING} or later of {BUILDS}: the file for this system's release"
        f" and architecture, by sudo apt-get install ./{PACKAGES[0]}_*.deb"
    )


PLUGIN = Group("Coral", findings, limit_seconds=60.0)
