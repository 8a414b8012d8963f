"""Whether devices can take part in a deploy. Pure."""

from collections.abc import Mapping, Sequence

from fleet.control.device_state import DeviceState
from wire.messages import WIRE_VERSIONS, Assignment, Info


def absences(states: Mapping[str, DeviceState]) -> dict[str, str]:
    """Return, by device, why it is not there."""
    found = {}
    for name, state in states.items():
        if state.problem is not None:
            found[name] = f"says what cannot be understood ({state.problem})"
        elif state.status is None:
            found[name] = "has never been seen on this site"
        elif not state.online:
            found[name] = f"is {state.status.state}"
        elif state.info is None:
            found[name] = "has not yet said what it is"
    return found


def inabilities(
    assignments: Sequence[Assignment], devices: Sequence[str], states: Mapping[str, DeviceState]
) -> dict[str, str]:
    """Return, by device, why it cannot run its segment; ``devices`` has one entry for each."""
    found: dict[str, str] = {}
    for assignment, device in zip(assignments, devices, strict=True):
        info = states[device].info
        problem = _inability(assignment, info) if info else "has not said what it is"
        if problem is not None:
            found.setdefault(device, problem)
    return found


def _inability(assignment: Assignment, info: Info) -> str | None:
    oldest, newest = info.wire
    if newest < WIRE_VERSIONS[0] or oldest > WIRE_VERSIONS[1]:
        ours = f"{WIRE_VERSIONS[0]} to {WIRE_VERSIONS[1]}"
        return f"speaks protocol versions {oldest} to {newest} (we speak {ours})"
    for runtime in info.runtimes:
        if runtime.runtime == assignment.runtime:
            if runtime.proved:
                return None
            why = runtime.reason or "no reason given"
            return f"its runtime {runtime.runtime} does not work ({why})"
    names = ", ".join(runtime.runtime for runtime in info.runtimes) or "none"
    return f"has no runtime {assignment.runtime} for segment {assignment.segment} (it has {names})"
