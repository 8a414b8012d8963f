"""What is on this device, or in an image: read for a plan, and for `agent status`."""

import time
from pathlib import Path
from typing import Final

import msgspec

from paceline import agent_config
from paceline.device import kinds, log, places, slot, system
from paceline.device.errors import NotInstalledError
from paceline.device.kinds import Kind
from paceline.device.log import Problem
from paceline.device.noted import Noted, decoded
from paceline.device.plan import There
from paceline.device.slot import Slot
from wire.errors import CodedError

LOG_LINES: Final = 500


class ServiceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How the installed agent is."""

    service: str
    """As systemd says: ``active``, ``activating``, ``failed``, ``inactive``, ..."""
    since_seconds: int | None
    restarts: int
    slot: str
    kind: str
    device: str | None
    site: str | None
    broker: str | None
    connected: bool | None
    """Whether it has its broker; None: its log does not say, or may not be read."""
    insecure: bool
    problem: Problem | None
    next: str
    """What to do."""


def there(root: Path, kind: Kind, made: Slot | None = None) -> There:
    """Return what a plan needs to know; the slot to be installed counts when it is whole."""
    current, slots = slot.present(root)
    if made is not None and not slot.is_whole(made, root):
        slots = tuple(name for name in slots if name != made.name)
    needed = kinds.groups(kind.drop_ins, root)
    return There(
        read=lambda path: _read(places.below(root, path)),
        has_user=system.user_ids(root) is not None,
        groups=tuple(group for group in needed if group not in system.memberships(root)),
        current=current,
        slots=slots,
        is_image=root != system.SYSTEM,
    )


def installed(root: Path) -> Noted | None:
    """Return what was noted when the agent was installed; None: the note is damaged.

    Raises:
        NotInstalledError: Nothing was.
    """
    data = _read(places.below(root, places.INSTALLED_FILE))
    if data is None:
        raise NotInstalledError(
            "no agent is installed on this device; install one with: sudo .venv/bin/paceline agent"
            " install --broker mqtt://HOST --trust trusted.pub"
        )
    return decoded(data)


def status() -> ServiceStatus:
    """Return how the installed agent is.

    Raises:
        NotInstalledError: There is none.
    """
    noted = installed(system.SYSTEM) or Noted()
    told = system.properties(
        "ActiveState", "ActiveEnterTimestampMonotonic", "NRestarts", "InvocationID"
    )
    lines = system.log_lines(LOG_LINES, told.get("InvocationID", ""))
    said = log.read(lines)
    problem = said.problem
    try:
        values = {k: row["value"] for k, row in agent_config.rows(places.AGENT_FILE).items()}
    except CodedError as error:
        values = {}
        problem = Problem(event=error.code, detail=str(error))
    state = told.get("ActiveState") or "unknown"
    entered = int(told.get("ActiveEnterTimestampMonotonic") or 0) // 1_000_000
    since = int(time.clock_gettime(time.CLOCK_MONOTONIC)) - entered
    return ServiceStatus(
        service=state,
        since_seconds=since if state == "active" and entered else None,
        restarts=int(told.get("NRestarts") or 0),
        slot=noted.slot,
        kind=noted.kind,
        device=values.get("device"),
        site=values.get("site"),
        broker=values.get("broker.url"),
        connected=said.connected if state == "active" else None,
        insecure=bool(values.get("insecure")),
        problem=problem,
        next=advice(state, problem, values.get("device"), sees_log=bool(lines)),
    )


def advice(
    state: str, problem: Problem | None, device: str | None, *, sees_log: bool = True
) -> str:
    """Return the next command for somebody who looks at a service in that state. Pure."""
    if problem is not None and problem.event.startswith(
        ("agent.config_refused", "agent.not_started")
    ):
        return f"sudo paceline config validate {places.AGENT_FILE}"
    if state == "inactive":
        return f"sudo systemctl start {places.SERVICE}"
    if state != "active" or problem is not None:
        return f"sudo journalctl -u {places.SERVICE} -n 50"
    if not sees_log:
        return "sudo paceline agent status: the service's log is not for this user's eyes"
    return f"on the deployer's machine: paceline deploy DIR --to {device}"


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None  # none, or not for this user's eyes
