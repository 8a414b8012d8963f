"""The systemd unit: installed, running, hardened, and the one that came with this version."""

import re
from collections.abc import Iterator
from importlib import util
from pathlib import Path
from typing import Final

from agent.doctor import Group, note, ok, problem, warning
from agent.examination.subject import Subject
from wire.reports import Finding

UNIT: Final = "paceline-agent.service"
MOST_EXPOSURE: Final = 2.0
MOST_RESTARTS: Final = 3
_SHIPPED: Final = ("share/systemd", "../systemd")
"""Below the package `paceline`: in a wheel, and in a checkout."""
_EXPOSURE: Final = re.compile(r"exposure level for \S+: ([0-9.]+)")


def findings(subject: Subject) -> Iterator[Finding]:
    """Yield how the unit is."""
    said = subject.ran("systemctl", "show", UNIT)
    if said is None and subject.environ.get("INVOCATION_ID"):
        yield note("service.systemd", "systemd runs this agent, and does not answer from inside")
        return
    if said is None:
        yield note(
            "service.systemd", "systemd does not answer here: nothing starts the agent again"
        )
        return
    state = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    if state.get("LoadState") != "loaded":
        yield note(
            "service.installed",
            f"{UNIT} is not installed: nothing starts the agent with the machine",
            "sudo paceline agent install",
        )
        return
    yield ok("service.installed", f"{state.get('FragmentPath')}")
    yield from running(state)
    yield from hardened(subject)
    shipped = shipped_unit()
    if shipped is not None:
        installed = subject.text(state.get("FragmentPath", "").lstrip("/"))
        yield from differs(installed, shipped)


def running(state: dict[str, str]) -> Iterator[Finding]:
    """Yield whether the unit runs, will run after a boot, and stays up."""
    active = f"{state.get('ActiveState')} ({state.get('SubState')})"
    if state.get("ActiveState") != "active":
        yield problem(
            "service.running",
            f"{UNIT} is {active}, result {state.get('Result')}",
            f"journalctl -u {UNIT} -n 30; then sudo systemctl restart {UNIT}",
        )
    else:
        yield ok("service.running", f"{UNIT} is {active}")
    if state.get("UnitFileState") not in {"enabled", "static", "enabled-runtime"}:
        text = f"{UNIT} is {state.get('UnitFileState')}: it does not start with the machine"
        yield warning("service.enabled", text, f"sudo systemctl enable {UNIT}")
    restarts = state.get("NRestarts", "0")
    if restarts.isdigit() and int(restarts) > MOST_RESTARTS:
        yield warning(
            "service.restarts",
            f"{UNIT} was started again {restarts} times",
            f"journalctl -u {UNIT} -p warning -n 50",
        )


def hardened(subject: Subject) -> Iterator[Finding]:
    """Yield how exposed systemd says the unit is."""
    said = subject.ran("systemd-analyze", "security", "--no-pager", UNIT)
    match = _EXPOSURE.search(said or "")
    if match is None:
        return
    exposure = float(match.group(1))
    text = f"systemd-analyze security: exposure {exposure:g}"
    if exposure > MOST_EXPOSURE:
        yield warning(
            "service.hardened",
            f"{text} (the shipped unit: at most {MOST_EXPOSURE:g})",
            f"sudo paceline agent install; look for drop-ins with systemctl cat {UNIT}",
        )
    else:
        yield ok("service.hardened", text)


def differs(installed: str | None, shipped: str) -> Iterator[Finding]:
    """Yield that the installed unit is not the one that came with this version."""
    if installed is not None and _settings(installed) != _settings(shipped):
        changed = len(_settings(installed) ^ _settings(shipped))
        yield note(
            "service.differs",
            f"the installed unit is not the one of this version ({changed} lines differ)",
            "sudo paceline agent install; changes of your own belong into a drop-in:"
            f" sudo systemctl edit {UNIT}",
        )


def shipped_unit() -> str | None:
    """Return the unit that came with this version; None: it is not here."""
    spec = util.find_spec("paceline")
    for place in spec.submodule_search_locations or () if spec else ():
        for folder in _SHIPPED:
            file = Path(place, folder, UNIT)
            if file.is_file():
                return file.read_text()
    return None


def _settings(unit: str) -> set[str]:
    lines = (line.strip() for line in unit.splitlines())
    return {line for line in lines if line and not line.startswith(("#", ";"))}


PLUGIN = Group("Service", findings, limit_seconds=30.0, device_only=True)
