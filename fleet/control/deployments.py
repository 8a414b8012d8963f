"""The user's list of what they deployed: a convenience, never the truth (that is on the broker)."""

import fcntl
import os
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from fleet.control.deploy_errors import DeploymentsFileError
from fleet.simulator.predicting import Prediction
from wire.messages import Route

FILE_NAME: Final = "deployments.json"
SCHEMA: Final = 1
_MAX_BYTES: Final = 4 << 20


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """What a pipeline was planned to do."""

    goal: str
    """What was made small."""
    pipeline: dict[str, Any]
    """As it was planned; see `fleet.simulator.plan_file.of_tree`."""
    predicted: Prediction | None
    """Of one window, to be shown; None: it would give no results."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One pipeline that the user deployed and has not undeployed."""

    broker: str
    """Its address, without user or password."""
    root: str
    site: str
    pipeline: str
    generation: int
    devices: tuple[str, ...]
    """One for each segment, in order."""
    folder: str
    """Where the split model was."""
    deployed_unix_ns: int
    route: Route | None = None
    """What clients follow, to be published again if a broker loses it; None: an earlier version
    wrote the entry."""
    promise: Promise | None = None
    """None: it was not deployed by a plan."""

    @property
    def place(self) -> tuple[str, str, str, str]:
        """What tells it from others."""
        return (self.broker, self.root, self.site, self.pipeline)

    def without(self, devices: Collection[str]) -> "Entry | None":
        """Return the entry without devices; None: a stage of it would have none."""
        left = tuple(device for device in self.devices if device not in devices)
        if left == self.devices:
            return self
        if self.route is None:
            return None  # which of them are replicas was not kept
        stages = tuple(stage for stage in self.route.stages if stage.device not in devices)
        if {stage.stage for stage in stages} != {stage.stage for stage in self.route.stages}:
            return None
        route = msgspec.structs.replace(self.route, stages=stages)
        return msgspec.structs.replace(self, devices=left, route=route)


class _List(msgspec.Struct, frozen=True, kw_only=True):
    deployments: tuple[Entry, ...] = ()
    schema: int = SCHEMA


def default_folder(environ: Mapping[str, str]) -> Path:
    """Return where the list is kept: ``$XDG_STATE_HOME/paceline``."""
    home = environ.get("XDG_STATE_HOME")
    below = Path(home) if home else Path(environ.get("HOME") or Path.home()) / ".local" / "state"
    return below / "paceline"


def read(folder: Path) -> tuple[Entry, ...]:
    """Return the list, oldest first.

    Raises:
        DeploymentsFileError: It cannot be read or understood.
    """
    path = folder / FILE_NAME
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise DeploymentsFileError(path, f"cannot be read ({error.strerror})") from error
    try:
        found = msgspec.json.decode(data, type=_List)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DeploymentsFileError(path, f"cannot be understood ({error})") from error
    if found.schema != SCHEMA:
        raise DeploymentsFileError(path, f"schema {found.schema} is unknown (expected {SCHEMA})")
    return found.deployments


def add(folder: Path, entry: Entry) -> None:
    """Add an entry; one for the same place is replaced.

    Raises:
        DeploymentsFileError: The list cannot be read or written.
    """
    _change(folder, lambda old: (*(e for e in old if e.place != entry.place), entry))


def remove(folder: Path, place: tuple[str, str, str, str]) -> None:
    """Remove the entry for a place, where there is one.

    Raises:
        DeploymentsFileError: The list cannot be read or written.
    """
    _change(folder, lambda old: (e for e in old if e.place != place))


def forget(folder: Path, site: tuple[str, str, str], devices: Collection[str]) -> None:
    """Take devices out of the entries of one broker, root and site; see `Entry.without`.

    Raises:
        DeploymentsFileError: The list cannot be read or written.
    """

    def changed(old: Iterable[Entry]) -> Iterator[Entry]:
        for entry in old:
            left = entry.without(devices) if entry.place[:3] == site else entry
            if left is not None:
                yield left

    _change(folder, changed)


def _change(folder: Path, change: Callable[[tuple[Entry, ...]], Iterable[Entry]]) -> None:
    path = folder / FILE_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _alone(folder):
            changed = _List(deployments=tuple(change(read(folder))))
            draft = folder / f".{FILE_NAME}.{secrets.token_hex(4)}"
            try:
                with draft.open("xb") as file:
                    file.write(msgspec.json.format(msgspec.json.encode(changed), indent=2) + b"\n")
                    file.flush()
                    os.fsync(file.fileno())
                draft.replace(path)
            finally:
                draft.unlink(missing_ok=True)
    except OSError as error:
        raise DeploymentsFileError(path, f"cannot be written ({error.strerror})") from error


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the list's lock: two commands at a time must not lose each other's entry."""
    with (folder / f".{FILE_NAME}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
