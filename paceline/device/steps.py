"""The steps of installing and of taking off; each can say in one row what it does."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from paceline.device import places
from paceline.device.slot import Slot
from paceline.formatting import size_text


class Row(NamedTuple):
    """A step for people."""

    action: str
    subject: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class MakeUser:
    """Make the system user and group that the service runs as."""

    def row(self) -> Row:
        """See ``Row``."""
        return Row("user", places.USER, "a system user and its group, without a shell")


@dataclass(frozen=True, slots=True)
class Join:
    """Add the user to a group that owns a device."""

    group: str

    def row(self) -> Row:
        """See ``Row``."""
        return Row("join", self.group, f"{places.USER} may use its devices")


@dataclass(frozen=True, slots=True)
class MakeFolder:
    """Make a folder, or give one that is there its owner and mode."""

    path: Path
    mode: int
    is_agents: bool = False
    """Whether it belongs to the agent's user; else root's."""

    def row(self) -> Row:
        """See ``Row``."""
        owner = places.USER if self.is_agents else "root"
        return Row("folder", str(self.path), f"{owner}, {self.mode:04o}")


@dataclass(frozen=True, slots=True)
class Write:
    """Write a file of root's."""

    path: Path
    data: bytes
    detail: str
    mode: int = 0o644

    def row(self) -> Row:
        """See ``Row``."""
        return Row("write", str(self.path), f"{self.detail}, {self.mode:04o}")


@dataclass(frozen=True, slots=True)
class Link:
    """Make a symbolic link."""

    path: Path
    target: Path

    def row(self) -> Row:
        """See ``Row``."""
        return Row("enable", str(self.path), "starts with the system")


@dataclass(frozen=True, slots=True)
class MakeSlot:
    """Copy this environment into a slot and try it."""

    slot: Slot

    def row(self) -> Row:
        """See ``Row``."""
        count, size = len(self.slot.closure.versions), size_text(self.slot.closure.size_bytes)
        return Row("slot", self.slot.name, f"{count} packages, {size}, run by {self.slot.python}")


@dataclass(frozen=True, slots=True)
class Switch:
    """Let ``current`` point to a slot."""

    name: str

    def row(self) -> Row:
        """See ``Row``."""
        return Row("switch", str(places.CURRENT), f"to {self.name}")


@dataclass(frozen=True, slots=True)
class CheckConfig:
    """Let the agent read its configuration, and all files that it names, before it is started."""

    def row(self) -> Row:
        """See ``Row``."""
        return Row("check", str(places.AGENT_FILE), "as the agent reads it")


@dataclass(frozen=True, slots=True)
class Reload:
    """Let systemd read its units anew."""

    def row(self) -> Row:
        """See ``Row``."""
        return Row("reload", "systemd")


@dataclass(frozen=True, slots=True)
class Start:
    """Start the service and wait until it says that it is up."""

    anew: bool = True
    """Whether one that runs is started anew; it drains what it serves."""

    def row(self) -> Row:
        """See ``Row``."""
        detail = "and wait until it is up" if self.anew else "unless it runs: nothing was changed"
        return Row("start", places.SERVICE, detail)


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop the service; it drains what it serves."""

    def row(self) -> Row:
        """See ``Row``."""
        return Row("stop", places.SERVICE, "when its frames are answered")


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove a file, a link or a folder with all that is in it; one that is gone is fine."""

    path: Path
    detail: str = ""

    def row(self) -> Row:
        """See ``Row``."""
        return Row("remove", str(self.path), self.detail)


@dataclass(frozen=True, slots=True)
class RemoveEmpty:
    """Remove a folder, unless somebody keeps something in it."""

    path: Path

    def row(self) -> Row:
        """See ``Row``."""
        return Row("remove", str(self.path), "unless there is something of yours in it")


@dataclass(frozen=True, slots=True)
class RemoveUser:
    """Remove the user and its group."""

    def row(self) -> Row:
        """See ``Row``."""
        return Row("remove", f"user {places.USER}")


@dataclass(frozen=True, slots=True)
class Keep:
    """Leave something as it is, and say so."""

    subject: str
    detail: str

    def row(self) -> Row:
        """See ``Row``."""
        return Row("keep", self.subject, self.detail)


Step = (
    MakeUser
    | Join
    | MakeFolder
    | Write
    | Link
    | MakeSlot
    | Switch
    | CheckConfig
    | Reload
    | Start
    | Stop
    | Remove
    | RemoveEmpty
    | RemoveUser
    | Keep
)
