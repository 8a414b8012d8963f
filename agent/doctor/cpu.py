"""The processor: what it can do, and whether something holds it back."""

from collections.abc import Iterator, Sequence
from typing import Final

from agent.doctor import Group, note, ok, problem, warning
from agent.examination.subject import Subject
from agent.probes.throttling import ThrottlingProbe
from wire.reports import Finding

FEATURES: Final = {
    "avx": "AVX",
    "avx2": "AVX2",
    "fma": "FMA",
    "avx512f": "AVX-512",
    "avx512_vnni": "AVX-512 VNNI",
    "avx_vnni": "AVX VNNI",
    "amx_tile": "AMX",
    "asimd": "NEON",
    "asimdhp": "NEON float16",
    "asimddp": "NEON dot product",
    "i8mm": "NEON int8 matrices",
    "sve": "SVE",
}
"""What runtimes use, by the kernel's name in /proc/cpuinfo."""
_CPUS: Final = "sys/devices/system/cpu"
_PINNED_DRIVERS: Final = ("intel_pstate", "amd-pstate-epp", "amd-pstate")
"""With these, ``powersave`` is a governor that rises when there is work."""


def findings(subject: Subject) -> Iterator[Finding]:
    """Yield what the processor can do and does not."""
    yield from features(subject.text("proc/cpuinfo") or "")
    yield from governor(subject)
    yield from throttled(subject)


def features(cpuinfo: str) -> Iterator[Finding]:
    """Yield which of the instructions that runtimes use are there."""
    words: set[str] = set()
    model = ""
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in {"flags", "Features"}:
            words |= set(value.split())
        elif name.strip() in {"model name", "Model"}:
            model = value.strip()
    found = [text for flag, text in FEATURES.items() if flag in words]
    said = f"{model + ': ' if model else ''}{', '.join(found)}"
    if found:
        yield note("cpu.features", said)
    elif words:
        yield warning(
            "cpu.features",
            f"{model or 'the processor'} has neither AVX nor NEON",
            "place only small segments here: inference is many times slower without them",
        )


def governor(subject: Subject) -> Iterator[Finding]:
    """Yield whether the processor may run at its full pace.

    Source: Linux, Documentation/admin-guide/pm/cpufreq.rst.
    """
    cpus = sorted(subject.path(_CPUS).glob("cpu[0-9]*/cpufreq"))
    found = {subject.text(f"{_CPUS}/{c.parent.name}/cpufreq/scaling_governor") for c in cpus}
    drivers = {subject.text(f"{_CPUS}/{c.parent.name}/cpufreq/scaling_driver") for c in cpus}
    names = sorted(name for name in found if name)
    if not names:
        return
    if "powersave" in names and not drivers & set(_PINNED_DRIVERS):
        yield warning(
            "cpu.governor",
            "the governor powersave holds the processor at its lowest pace",
            f"echo ondemand | sudo tee /{_CPUS}/cpu*/cpufreq/scaling_governor",
        )
    else:
        yield ok("cpu.governor", f"governor {', '.join(names)}")


def throttled(subject: Subject) -> Iterator[Finding]:
    """Yield whether the processor is or was slowed down."""
    probe = ThrottlingProbe(sysfs=subject.path("sys"), ask=lambda: _firmware(subject))
    readings = list(probe.read())
    flags = [r for r in readings if r.name == "throttled_flag" and r.label("span") == "occurred"]
    events = [int(r.value) for r in readings if r.name == "throttle_events_total"]
    if flags:
        yield slowed(
            [r.label("kind").replace("_", " ") for r in flags if r.value],
            now=[
                r.label("kind").replace("_", " ")
                for r in readings
                if r.name == "throttled_flag" and r.label("span") == "now" and r.value
            ],
        )
    elif events and events[0]:
        yield note(
            "cpu.throttled",
            f"the processor was slowed down {events[0]} times since the boot: too hot",
            "clean its fan and let air reach it",
        )
    elif events:
        yield ok("cpu.throttled", "the processor was never slowed down since the boot")


def slowed(occurred: Sequence[str], now: Sequence[str]) -> Finding:
    """Return what a Raspberry Pi's firmware says: what holds now, and what did since the boot."""
    fix = "cool it: a heat sink and a fan, and air around them"
    if "undervoltage" in (now or occurred):
        fix = "use the power supply of this model (Pi 5: 27 W, Pi 4: 15 W) and a short cable"
    if now:
        return problem("cpu.throttled", f"slowed down now: {', '.join(now)}", fix)
    if occurred:
        return warning("cpu.throttled", f"slowed down since the boot: {', '.join(occurred)}", fix)
    return ok("cpu.throttled", "never slowed down since the boot")


def _firmware(subject: Subject) -> int | None:
    """Return what ``vcgencmd`` says; None: it is not here, or says nothing."""
    said = subject.ran("vcgencmd", "get_throttled") or ""
    try:
        return int(said.strip().rpartition("=")[2], 16)
    except ValueError:
        return None


PLUGIN = Group("Processor", findings)
