"""A device as it is shown: what is wrong with it, and what to do next. Pure."""

from collections.abc import Iterable, Iterator
from typing import Final

from fleet.hub.known_device import KnownDevice, Presence
from fleet.hub.views import URGENCY, DeviceView, NextStep, ProblemView, State
from wire.messages import Reason, ReportedAssignment, RuntimeInfo

FAILED: Final = "failed"
_GONE: Final[dict[Presence, str]] = {
    "lost": "its connection broke without a goodbye: power, network or agent",
    "silent": "its telemetry stopped coming, though its connection seems to stand",
    "offline": "its agent was stopped",
    "unknown": "nothing was heard of it since the hub started",
}


def device_view(known: KnownDevice, now: float, unix_ns: int) -> DeviceView:
    """Return what is shown of a device; ``now`` is monotonic seconds."""
    presence = known.presence(now, unix_ns)
    problems = tuple(_problems(known, presence))
    info, health, reported, seen = known.info, known.health, known.reported, known.readings
    return DeviceView(
        device=known.device,
        state=_state(problems, presence),
        presence=presence,
        healthy=health.healthy if health and presence == "online" else None,
        since_unix_ns=known.since_unix_ns,
        last_seen_unix_ns=known.last_seen_unix_ns or None,
        problems=problems,
        next_step=_next_step(known, presence, problems),
        serves=tuple(_serves(known)),
        epoch=reported.observed[0] if reported else None,
        revision=reported.observed[1] if reported else None,
        version=info.version if info else None,
        machine=info.machine or None if info else None,
        system=info.system or None if info else None,
        runtimes=tuple(_runtimes(info.runtimes)) if info else (),
        memory_limit=info.memory_limit if info else None,
        insecure=info.insecure if info else False,
        cpu_ratio=seen.cpu_ratio,
        memory_total_bytes=seen.memory_total_bytes or (info.memory_bytes if info else None),
        memory_available_bytes=seen.memory_available_bytes,
        disk_free_bytes=seen.disk_free_bytes,
        temperature_celsius=seen.temperature_celsius,
        temperature_limit_celsius=seen.temperature_limit_celsius,
        throttled=seen.throttled,
        power_watts=seen.power_watts,
        telemetry_interval_seconds=known.interval_seconds,
    )


def urgency(view: DeviceView) -> tuple[int, str]:
    """Return what devices are sorted by: problems first, then by name."""
    return URGENCY[view.state], view.device


def gone_problem(known: KnownDevice, presence: Presence) -> ProblemView | None:
    """Return why a device is not there; None: it is."""
    if presence == "online":
        return None
    return ProblemView(
        code=f"device.{presence}",
        message=f"{known.device} is gone: {_GONE[presence]}",
        severity="warning" if presence == "offline" and not _assigned(known) else "error",
        since_unix_ns=known.since_unix_ns,
    )


def _problems(known: KnownDevice, presence: Presence) -> Iterator[ProblemView]:
    gone = gone_problem(known, presence)
    if gone is not None:
        yield gone
        return  # what it said before is not news
    told = known.health.problems if known.health else ()
    for problem in told:
        yield ProblemView(
            code=problem.code,
            message=problem.message,
            severity=problem.severity,
            since_unix_ns=known.by_our_clock(problem.since_unix_ns),
        )
    codes = {problem.code for problem in told}
    reported = known.reported
    if reported and reported.refused and reported.refused.code not in codes:
        yield ProblemView(code=reported.refused.code, message=reported.refused.message)
    for found in reported.assignments if reported else ():
        if found.phase == FAILED and (found.reason is None or found.reason.code not in codes):
            yield _failed(known, found)
        if found.degraded is not None and found.degraded.code not in codes:
            yield _degraded(known, found, found.degraded)


def _failed(known: KnownDevice, found: ReportedAssignment) -> ProblemView:
    why = found.reason
    return ProblemView(
        code=why.code if why else "assignment.failed",
        message=f"{_key(found)}: {why.message if why else 'it failed'}",
        since_unix_ns=known.by_our_clock(found.since_unix_ns),
    )


def _degraded(known: KnownDevice, found: ReportedAssignment, why: Reason) -> ProblemView:
    return ProblemView(
        code=why.code,
        message=f"{_key(found)}: {why.message}",
        severity="warning",
        since_unix_ns=known.by_our_clock(found.since_unix_ns),
    )


def _runtimes(found: Iterable[RuntimeInfo]) -> Iterator[str]:
    for one in found:
        if one.proved:
            on = "" if one.accelerator in {"cpu", "none"} else f" {one.accelerator}"
            yield f"{one.runtime}{on}"


def _state(problems: tuple[ProblemView, ...], presence: Presence) -> State:
    severities = {problem.severity for problem in problems}
    if "error" in severities:
        return "error"
    if presence == "offline":
        return "off"
    return "warning" if severities else "ok"


def _next_step(
    known: KnownDevice, presence: Presence, problems: tuple[ProblemView, ...]
) -> NextStep | None:
    name = known.device
    if presence != "online":
        if presence == "offline" and not _assigned(known):
            return None
        command = f"ssh {name} systemctl status paceline-agent"
        why = (
            "it cannot be asked over the broker now; if it is gone for good:"
            f" paceline forget {name}"
        )
        return NextStep(command=command, why=why)
    if not problems:
        return None
    first = problems[0].message
    failed = next((a for a in _reported(known) if a.phase == FAILED), None)
    if failed is not None and failed.pipeline in first:
        return NextStep(command=f"paceline status {failed.pipeline}", why="see all its stages")
    return NextStep(command=f"paceline doctor --device {name}", why="it names the remedy")


def _serves(known: KnownDevice) -> Iterator[str]:
    return (_key(found) for found in _reported(known))


def _reported(known: KnownDevice) -> tuple[ReportedAssignment, ...]:
    return known.reported.assignments if known.reported else ()


def _assigned(known: KnownDevice) -> bool:
    return bool(_reported(known))


def _key(found: ReportedAssignment) -> str:
    return f"{found.pipeline}.{found.generation}-{found.stage}"
