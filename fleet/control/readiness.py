"""Whether devices can take part in a deploy. Pure."""

from collections.abc import Mapping, Sequence

from fleet.control.device_state import DeviceState
from wire import link_names
from wire.codec_names import DEFAULT
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
    assignments: Sequence[Assignment],
    devices: Sequence[str],
    states: Mapping[str, DeviceState],
    entry_codec: str = DEFAULT,
) -> dict[str, str]:
    """Return, by device, why it cannot run its segment; ``devices`` has one entry for each.

    ``entry_codec`` is how clients write what enters stage 0.
    """
    found: dict[str, str] = {}
    enters = {a.stage + 1: a.transfer.codec for a in assignments} | {0: entry_codec}
    for assignment, device in zip(assignments, devices, strict=True):
        info = states[device].info
        codecs = (enters.get(assignment.stage, DEFAULT), assignment.transfer.codec)
        problem = _inability(assignment, info, codecs) if info else "has not said what it is"
        if problem is not None:
            found.setdefault(device, problem)
    return found


def _inability(assignment: Assignment, info: Info, codecs: Sequence[str]) -> str | None:
    oldest, newest = info.wire
    if newest < WIRE_VERSIONS[0] or oldest > WIRE_VERSIONS[1]:
        ours = f"{WIRE_VERSIONS[0]} to {WIRE_VERSIONS[1]}"
        return f"speaks protocol versions {oldest} to {newest} (we speak {ours})"
    for link in (assignment.transfer.link, assignment.transfer.entry):
        if link not in {*info.links, link_names.AUTO, link_names.DEFAULT}:
            has = ", ".join(name for name in info.links if name in link_names.names())
            return f"has no link {link} (it has {has or link_names.DEFAULT})"
    missing = [name for name in codecs if name not in {*info.codecs, DEFAULT}]
    if missing:
        return f"has no codec {missing[0]} (it has {', '.join(info.codecs) or DEFAULT})"
    return _cannot_run(assignment, info)


def _cannot_run(assignment: Assignment, info: Info) -> str | None:
    asked, where = assignment.runtime, assignment.accelerator
    found = [one for one in info.runtimes if one.runtime == asked]
    if not found:
        names = ", ".join(dict.fromkeys(one.runtime for one in info.runtimes)) or "none"
        return f"has no runtime {asked} for segment {assignment.segment} (it has {names})"
    formats = found[0].formats
    if formats and assignment.format not in formats:
        reads = ", ".join(formats)
        return f"its runtime {asked} reads {reads}, not {assignment.format} ({assignment.segment})"
    at = [one for one in found if where in {"", one.accelerator}]
    if not at:
        has = ", ".join(one.accelerator for one in found)
        return f"its runtime {asked} has no {where} (it has {has})"
    if any(one.proved for one in at):
        return None
    return f"its runtime {asked} does not work ({at[0].reason or 'no reason given'})"
