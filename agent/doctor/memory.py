"""Memory: how much there is, whether the kernel can limit a worker's, where it is swapped to."""

from collections.abc import Iterator
from typing import Final

from agent.config import Config
from agent.doctor import Group, note, ok, warning
from agent.examination.subject import Subject
from wire.reports import Finding

_CONTROLLERS: Final = "sys/fs/cgroup/cgroup.controllers"
_CMDLINES: Final = ("boot/firmware/cmdline.txt", "boot/cmdline.txt")
"""Raspberry Pi OS bookworm and later; before."""
_SWITCH: Final = "cgroup_enable=memory"
LEAST_AVAILABLE_RATIO: Final = 0.1


def findings(subject: Subject) -> Iterator[Finding]:
    """Yield what there is of memory, and what bounds it."""
    yield from available(subject.text("proc/meminfo") or "", subject.config)
    if subject.has_agent:
        yield from controller(subject)
    yield from swap(subject.text("proc/swaps") or "")


def available(meminfo: str, config: Config | None) -> Iterator[Finding]:
    """Yield how much memory is free, and whether a worker may take more than there is."""
    fields = {
        name: int(rest.split()[0]) * 1024
        for name, _, rest in (line.partition(":") for line in meminfo.splitlines())
        if rest.split()[:1] and rest.split()[0].isdigit()
    }
    total, free = fields.get("MemTotal"), fields.get("MemAvailable")
    if total is None or free is None:
        return
    said = f"{free >> 20} of {total >> 20} MiB are available"
    if free < LEAST_AVAILABLE_RATIO * total:
        yield warning("memory.available", said, "end other programs, or place smaller segments")
    else:
        yield ok("memory.available", said)
    limit = config.limits.worker_memory_bytes if config else None
    if limit is not None and limit > total:
        yield warning(
            "memory.worker_limit",
            f"limits.worker_memory_bytes allows {limit >> 20} MiB, the machine has {total >> 20}",
            f"write `worker_memory_bytes: {total * 3 // 4 >> 20}MiB` below `limits:`",
        )


def controller(subject: Subject) -> Iterator[Finding]:
    """Yield whether the kernel can limit the memory of a group of processes.

    A Raspberry Pi's firmware boots with ``cgroup_disable=memory`` unless it is told otherwise.
    """
    controllers = subject.text(_CONTROLLERS)
    if controllers is not None and "memory" in controllers.split():
        yield ok("memory.controller", "the kernel can limit the memory of a worker (cgroup v2)")
        return
    if controllers is None:
        yield note(
            "memory.controller",
            "cgroup v2 is not mounted here: workers are limited by RLIMIT_DATA or a watch",
        )
        return
    file = next((f for f in _CMDLINES if subject.text(f) is not None), None)
    said = f"the kernel's memory controller is off (/{_CONTROLLERS}: {controllers})"
    if file is not None and _SWITCH in (subject.text(file) or "").split():
        yield warning("memory.controller", f"{said}; /{file} has {_SWITCH}", "sudo reboot")
    elif file is not None:
        yield warning(
            "memory.controller",
            f"{said}: a worker that takes all memory is only watched",
            f"append ` {_SWITCH}` to the one line of /{file}, then sudo reboot",
        )
    else:
        yield warning(
            "memory.controller",
            f"{said}: a worker that takes all memory is only watched",
            f"add {_SWITCH} to the kernel's command line, then reboot",
        )


def swap(swaps: str) -> Iterator[Finding]:
    """Yield where memory is swapped to.

    Source: proc_swaps(5): a heading, then file name, kind, size in KiB, used.
    """
    for line in swaps.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 4:
            continue
        name, size, used = fields[0], int(fields[2]) >> 10, int(fields[3]) >> 10
        said = f"swap of {size} MiB at {name}, {used} MiB used"
        on_card = name.startswith("/dev/mmcblk") or name == "/var/swap"
        if on_card:
            yield note(
                "memory.swap",
                f"{said}: it wears the card and is slow",
                "sudo systemctl disable --now dphys-swapfile; use zram (apt install zram-tools)",
            )
        else:
            yield ok("memory.swap", said)


PLUGIN = Group("Memory", findings)
