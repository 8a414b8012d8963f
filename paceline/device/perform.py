"""Does the steps of a plan, one after the other, and says each."""

import errno
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from paceline import agent_config
from paceline.device import places, slot, system
from paceline.device.errors import NotUpError, StepFailedError
from paceline.device.steps import (
    CheckConfig,
    Join,
    Keep,
    Link,
    MakeFolder,
    MakeSlot,
    MakeUser,
    Reload,
    Remove,
    RemoveEmpty,
    RemoveUser,
    Start,
    Step,
    Stop,
    Switch,
    Write,
)
from wire.reports import ProbeReport

_ROOTS: Final = (0, 0)
_ACCOUNTS: Final = ("passwd", "group", "shadow", "gshadow", "subuid", "subgid")


def perform(steps: Iterable[Step], root: Path, say: Callable[[Step], None]) -> ProbeReport | None:
    """Do the steps; returns what a new slot's runtimes can do, None: there was no new slot.

    Raises:
        InstallError: One could not be done; those before it are done.
    """
    wanted = list(steps)
    check_inside(wanted, root)
    report = None
    for step in wanted:
        say(step)
        try:
            report = _ACTIONS[type(step)](step, root) or report
        except OSError as error:
            row = step.row()
            problem = f"{row.action} {row.subject}: {error.strerror or error}"
            raise StepFailedError(f"{problem}; what was done before stays done") from error
    return report


def check_inside(steps: Iterable[Step], root: Path) -> None:
    """Check that a link in an image leads nothing that is written or removed out of it.

    Raises:
        StepFailedError: One does; nothing was done.
    """
    inside = root.resolve()
    for folder in sorted({folder for step in steps for folder in _folders(step)}):
        leads_to = places.below(root, folder).resolve()
        if not leads_to.is_relative_to(inside):
            raise StepFailedError(
                f"{folder} of this image leads out of it, to {leads_to}; nothing was done: make the"
                " link that leads there a relative one, or a folder"
            )


def _folders(step: Step) -> tuple[Path, ...]:
    """Return the folders, or files that a program of the system writes, that a step changes."""
    match step:
        case MakeUser() | Join() | RemoveUser():
            return tuple(Path("/etc") / name for name in _ACCOUNTS)
        case MakeFolder(path):
            return (path,)
        case Write(path) | Link(path) | Remove(path) | RemoveEmpty(path):
            return (path.parent,)
        case MakeSlot() | Switch():
            return (places.SLOTS,)
        case _:
            return ()


def _make_slot(step: MakeSlot, root: Path) -> ProbeReport:
    return slot.make(step.slot, root, _owner(root))


def _switch(step: Switch, root: Path) -> None:
    slot.switch(step.name, root, _owner(root))


def _owner(root: Path) -> tuple[int, int]:
    ids = system.user_ids(root)
    if ids is None:
        raise StepFailedError(f"there is no user {places.USER} in {root}/etc/passwd")
    return ids


def _check_config(_: CheckConfig, root: Path) -> None:
    file = places.below(root, places.AGENT_FILE)
    if root != system.SYSTEM:
        agent_config.rows(file)  # the files that it names are where the image will be the root
        return
    for problem in agent_config.report(file).problems:
        raise StepFailedError(f"{problem.message}; then install again")


def _reload(_: Reload, _root: Path) -> None:
    system.run("systemctl", "daemon-reload")


def _stop(_: Stop, _root: Path) -> None:
    if system.properties("LoadState").get("LoadState") == "loaded":
        system.run("systemctl", "stop", places.SERVICE)


def _start(step: Start, _root: Path) -> None:
    try:
        system.run("systemctl", "restart" if step.anew else "start", places.SERVICE)
    except StepFailedError as error:
        told = system.properties("Result", "ExecMainStatus")
        raise NotUpError(
            f"the service was started and is not up (result {told.get('Result')}, exit status"
            f" {told.get('ExecMainStatus')}); systemd goes on trying, its log says why:"
            f" journalctl -u {places.SERVICE} -n 50"
        ) from error


def _folder(step: MakeFolder, root: Path) -> None:
    path = places.below(root, step.path)
    path.mkdir(parents=True, exist_ok=True)
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.fchmod(folder, step.mode)
        os.fchown(folder, *(_owner(root) if step.is_agents else _ROOTS))
    finally:
        os.close(folder)


def _write(step: Write, root: Path) -> None:
    path = places.below(root, step.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, step.mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, step.mode)
        file.write(step.data)
        file.flush()
        os.fsync(descriptor)
    fresh.replace(path)


def _link(step: Link, root: Path) -> None:
    path = places.below(root, step.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(step.target)


def _remove(step: Remove, root: Path) -> None:
    path = places.below(root, step.path)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _remove_empty(step: RemoveEmpty, root: Path) -> None:
    try:
        places.below(root, step.path).rmdir()
    except OSError as error:
        if error.errno not in {errno.ENOENT, errno.ENOTEMPTY}:
            raise


_ACTIONS: Final[Mapping[type[Any], Callable[[Any, Path], ProbeReport | None]]] = {
    MakeUser: lambda _, root: system.make_user(root),
    Join: lambda step, root: system.join(step.group, root),
    MakeFolder: _folder,
    Write: _write,
    Link: _link,
    MakeSlot: _make_slot,
    Switch: _switch,
    CheckConfig: _check_config,
    Reload: _reload,
    Start: _start,
    Stop: _stop,
    Remove: _remove,
    RemoveEmpty: _remove_empty,
    RemoveUser: lambda _, root: system.remove_user(root),
    Keep: lambda *_: None,
}
