"""The agent's state folder, taken at start: held for one agent, with its journal and its store.

What keeps it from being used is a slip in the configuration, which is known here, before anything
runs, and said in one sentence. A disk that is full or read-only may be another one tomorrow: the
agent starts all the same, runs what it knows, and says what is wrong.
"""

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent import durable, journal, journal_file
from agent.artifacts.store import Store
from agent.artifacts.store_errors import StoreError
from agent.journal_file import JournalCorruptError, JournalError
from wire.errors import CodedError


class StateFolderHeldError(CodedError):
    """Another agent uses this state folder."""

    code = "state.held"
    exit_code = 3

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder

    def __str__(self) -> str:
        return (
            f"state folder {self.folder}: another agent is using it;"
            " stop that one, or give this one its own with state_folder"
        )


class StateFolderError(CodedError):
    """The state folder cannot be used: nothing could be remembered."""

    code = "state.unusable"
    exit_code = 3

    def __init__(self, folder: Path, problem: str, advice: str) -> None:
        super().__init__(folder, problem, advice)
        self.folder = folder
        self.problem = problem
        self.advice = advice

    def __str__(self) -> str:
        return f"state folder {self.folder}: {self.problem}; {self.advice}"


@dataclass(frozen=True, slots=True)
class StateFolder:
    """A folder that is ours until `release`."""

    path: Path
    journal: journal.Journal
    """Of this start; it is saved, but for ``unsaved``."""
    problem: JournalCorruptError | None
    """Why the journal is not the one that was saved last; None: it is."""
    unsaved: JournalError | None
    """Why this start could not be counted; None: it was."""
    store: Store
    hold: int

    def release(self) -> None:
        """Let another agent use the folder."""
        os.close(self.hold)


def opened(path: Path, *, store_bytes: int | None = None) -> StateFolder:
    """Make the folder where it is missing, hold it, count this start, open the store.

    Raises:
        StateFolderHeldError: Another agent uses it.
        StateFolderError: It cannot be made, read or written, and that will not pass.
    """
    hold = _held(path)
    try:
        loaded = journal_file.load(path)
        started = journal.started(loaded.journal)
        unsaved = _save(path, started)
        store = Store(path / "store", quota_bytes=store_bytes, tolerated=durable.MAY_PASS)
    except JournalError as error:
        os.close(hold)
        raise _unusable(path, f"its {error.path.name} cannot be kept", error) from error
    except StoreError as error:
        os.close(hold)
        raise _unusable(path, "its store cannot be used", error) from error
    return StateFolder(path, started, loaded.problem, unsaved, store, hold)


def _save(path: Path, started: journal.Journal) -> JournalError | None:
    """Save the journal of this start; return what may pass."""
    try:
        journal_file.save(path, started)
    except JournalError as error:
        if getattr(error.__cause__, "errno", None) not in durable.MAY_PASS:
            raise
        return error
    return None


def _held(path: Path) -> int:
    """Make the folder where it is missing and return the descriptor that holds it."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StateFolderError(path, _not_made(path, error), _advice(error.errno)) from error
    try:
        hold = durable.hold(path)
    except OSError as error:
        problem = f"cannot be opened and locked ({error.strerror or error})"
        raise StateFolderError(path, problem, _advice(error.errno)) from error
    if hold is None:
        raise StateFolderHeldError(path)
    return hold


def _not_made(path: Path, error: OSError) -> str:
    if isinstance(error, FileExistsError):
        return "is no folder"
    if isinstance(error, NotADirectoryError):
        blocking = (parent for parent in path.parents if parent.exists() and not parent.is_dir())
        return f"cannot be made ({next(blocking, path.parent)} is no folder)"
    return f"cannot be made ({error.strerror or error})"


def _unusable(path: Path, what: str, error: JournalError | StoreError) -> StateFolderError:
    cause = error.__cause__
    number = cause.errno if isinstance(cause, OSError) else None
    return StateFolderError(path, f"{what} ({error.problem})", _advice(number))


def _advice(number: int | None) -> str:
    return _ADVICE.get(number, "repair it, or name another with state_folder")


_OWNER: Final = "give it to the agent's user, or name another with state_folder"
_SPACE: Final = "free disk space, or name another with state_folder"
_PLACE: Final = "name another with state_folder"
_ADVICE: Final[dict[int | None, str]] = {
    errno.EACCES: _OWNER,
    errno.EPERM: _OWNER,
    errno.EROFS: "mount it writable, or name another with state_folder",
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EEXIST: _PLACE,
    errno.ENOTDIR: _PLACE,
    errno.ENAMETOOLONG: _PLACE,
    errno.ELOOP: _PLACE,
}
