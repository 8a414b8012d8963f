"""What the service's log comes to: whether it has its broker, and what went wrong last. Pure."""

import json
from collections.abc import Iterable
from typing import Any, Final

import msgspec

_GRAVE: Final = frozenset({"warning", "error", "critical"})
_SAID_BY_ERRORS: Final = "error: "
"""What an agent's one sentence begins with when it does not start."""
_HEALED: Final = {
    "broker.connected": "broker.",
    "link.connected": "link.",
    "accelerator.used_again": "accelerator.",
}
_ASIDE: Final = frozenset({"event", "level", "timestamp"})


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """The last thing that went wrong and was not said to be right again."""

    event: str
    detail: str


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a log says of how the service is."""

    connected: bool | None = None
    """Whether it has its broker; None: nothing is said of it."""
    problem: Problem | None = None


def read(lines: Iterable[str]) -> Said:
    """Return what the lines of one start of the service come to, oldest first."""
    said = Said()
    for line in lines:
        if line.startswith(_SAID_BY_ERRORS):
            detail = line.removeprefix(_SAID_BY_ERRORS)
            said = Said(problem=Problem(event="agent.not_started", detail=detail))
        elif (told := _decoded(line)) is not None:
            said = _after(said, told)
    return said


def _after(said: Said, told: dict[str, Any]) -> Said:
    event = str(told.get("event", ""))
    connected, problem = said.connected, said.problem
    if event in {"broker.connected", "broker.not_connected", "broker.lost"}:
        connected = event == "broker.connected"
    if problem is not None and problem.event.startswith(_HEALED.get(event, "\0")):
        problem = None
    if told.get("level") in _GRAVE:
        facts = (f"{key}={value}" for key, value in told.items() if key not in _ASIDE)
        detail = str(told.get("reason") or told.get("error") or " ".join(facts))
        problem = Problem(event=event, detail=detail)
    return Said(connected=connected, problem=problem)


def _decoded(line: str) -> dict[str, Any] | None:
    try:
        told = json.loads(line)
    except ValueError:
        return None
    return told if isinstance(told, dict) else None
