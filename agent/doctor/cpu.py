"""The processor: what it can do, and whether something holds it back."""

from collections.abc import Iterator
from typing import Final

from agent.doctor import Group, note, ok, problem, warning
from agent.doctor_subject import Subject
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
_THROTTLED: Final = "sys/devices/platform/soc/soc:firmware/get_throttled"
_BITS: Final = ("under-voltage", "frequency capped", "throttled", "soft temperature limit")
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
    bits = throttled_bits(subject)
    if bits is not None:
        yield from firmware(bits)
    counts = [
        int(text)
        for file in subject.path(_CPUS).glob("cpu[0-9]*/thermal_throttle/*_throttle_count")
        if (text := subject.text(str(file.relative_to(subject.root)))) and text.isdigit()
    ]
    most = max(counts, default=0)
    if most:
        yield note(
            "cpu.throttled",
            f"the processor was too hot {most} times since the boot",
            "clean its fan and let air reach it",
        )
    elif counts:
        yield ok("cpu.throttled", "the processor was never too hot since the boot")


def throttled_bits(subject: Subject) -> int | None:
    """Return what a Raspberry Pi's firmware says; None: this is none, or it does not.

    Source: raspberrypi.com/documentation, computers/os.html, get_throttled.
    """
    text = subject.text(_THROTTLED)
    if text is None:
        text = (subject.ran("vcgencmd", "get_throttled") or "").strip().rpartition("=")[2]
    try:
        return int(text, 16)
    except ValueError:
        return None


def firmware(bits: int) -> Iterator[Finding]:
    """Yield what the firmware's bits say: 0 to 3 now, 16 to 19 since the boot."""
    now = [name for bit, name in enumerate(_BITS) if bits >> bit & 1]
    before = [name for bit, name in enumerate(_BITS) if bits >> (bit + 16) & 1]
    said = f"get_throttled={bits:#x}"
    told = now or before
    voltage = "under-voltage" in told
    fix = (
        "use the power supply of this model (Pi 5: 27 W, Pi 4: 15 W) and a short cable"
        if voltage
        else "cool it: a heat sink and a fan, and air around them"
    )
    if now:
        yield problem("cpu.throttled", f"slowed down now: {', '.join(now)} ({said})", fix)
    elif before:
        text = f"slowed down since the boot: {', '.join(before)} ({said})"
        yield warning("cpu.throttled", text, fix)
    else:
        yield ok("cpu.throttled", f"never slowed down since the boot ({said})")


PLUGIN = Group("Processor", findings)
