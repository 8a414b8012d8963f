"""The agent's one durable state file, ``journal.json``.

Canonical JSON, replaced as a whole; the version before it is kept as ``.previous``. A file that
cannot be read is put aside as ``.corrupt-<n>``. Then nothing is assigned any more, but no
number goes back: start counter, epoch, revision and generations come from the previous version,
so an old message cannot be taken for a new one.
"""

import errno
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

import msgspec
import structlog
from msgspec.structs import replace

from agent import durable
from agent.journal import SCHEMA, Journal
from wire import bounded, canonical
from wire.errors import CodedError

NAME: Final = "journal.json"
MAX_BYTES: Final = 8 << 20
MAX_CORRUPT: Final = 3
"""Unreadable versions that are kept; the last is overwritten."""

_NO_LINKS: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})

log = structlog.get_logger(__name__)


class JournalError(CodedError):
    """The journal cannot be kept: nothing new may be accepted, what runs goes on."""

    code = "journal.unwritable"
    retryable = True

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(path, problem)
        self.path = path
        self.problem = problem

    def __str__(self) -> str:
        return f"journal {self.path}: cannot be kept ({self.problem}); free or repair the disk"


class JournalCorruptError(CodedError):
    """The journal on disk is not one: reported as a reason, never raised by `load`."""

    code = "journal.corrupt"
    exit_code: ClassVar[int] = 3

    def __init__(self, path: Path, problem: str, *, kept_as: str) -> None:
        super().__init__(path, problem, kept_as)
        self.path = path
        self.problem = problem
        self.kept_as = kept_as

    def __str__(self) -> str:
        return (
            f"journal {self.path}: {self.problem}; kept as {self.kept_as},"
            " waiting for the desired state to be said again"
        )


@dataclass(frozen=True, slots=True)
class LoadedJournal:
    """What `load` found."""

    journal: Journal
    problem: JournalCorruptError | None = None
    """Why the journal is not the one that was saved last; None: it is."""


def save(folder: Path, journal: Journal) -> None:
    """Make ``journal`` the one that `load` will find; when this returns it survives a power cut.

    Raises:
        JournalError: It is too large, or the disk refused. The one before is still there.
    """
    path = folder / NAME
    data = canonical.encode(journal)
    if len(data) > MAX_BYTES:
        raise JournalError(path, f"{len(data)} bytes, at most {MAX_BYTES}")
    try:
        if not folder.exists():  # deleted while the agent runs
            folder.mkdir(mode=0o700)
        _keep_previous(path)
        durable.write(path, data)
    except OSError as error:
        raise JournalError(path, error.strerror or str(error)) from error


def load(folder: Path) -> LoadedJournal:
    """Return the journal in ``folder``; none was saved yet: an empty one.

    Raises:
        JournalError: What is there cannot be read or put aside, for a reason that is not in it.
    """
    path = folder / NAME
    try:
        return _loaded(path)
    except OSError as error:
        raise JournalError(path, error.strerror or str(error)) from error


def _loaded(path: Path) -> LoadedJournal:
    try:
        return LoadedJournal(_read(path))
    except FileNotFoundError:
        problem = "it is missing, though there is a previous version"
    except (msgspec.DecodeError, ValueError) as error:
        problem = str(error)
    previous = _previous(path)
    if previous is None and not path.exists():
        return LoadedJournal(Journal())
    kept_as = _put_aside(path) if path.exists() else "nothing"
    log.error("journal.found_corrupt", path=str(path), kept_as=kept_as, reason=problem)
    # the lost version may have been the first of a start, so one start is added
    numbers = replace(
        previous or Journal(),
        start_counter=previous.start_counter + 1 if previous else 0,
        desired=None,
        assignments={},
    )
    return LoadedJournal(numbers, JournalCorruptError(path, problem, kept_as=kept_as))


def _read(path: Path) -> Journal:
    try:
        data = bounded.read(path, MAX_BYTES)
    except OSError as error:
        if error.errno != errno.EFBIG:
            raise
        raise ValueError(error.strerror) from error
    journal = msgspec.json.decode(data, type=Journal)
    if journal.schema != SCHEMA:
        raise ValueError(f"schema {journal.schema} is unknown (expected {SCHEMA})")
    if min(journal.start_counter, journal.epoch, journal.revision) < 0:
        raise ValueError("a number is negative")
    return journal


def _previous(path: Path) -> Journal | None:
    try:
        return _read(_beside(path, "previous"))
    except (FileNotFoundError, msgspec.DecodeError, ValueError):
        return None


def _keep_previous(path: Path) -> None:
    """Give the present version a second name; it keeps its first until it is replaced."""
    linked, previous = _beside(path, "linked"), _beside(path, "previous")
    linked.unlink(missing_ok=True)
    try:
        linked.hardlink_to(path)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        durable.write(previous, bounded.read(path, MAX_BYTES))
        return
    # rename does nothing when both names are the same file already; unlink clears that up
    linked.replace(previous)
    linked.unlink(missing_ok=True)


def _put_aside(path: Path) -> str:
    taken = (_beside(path, f"corrupt-{n}") for n in range(1, MAX_CORRUPT))
    free = next((p for p in taken if not p.exists()), _beside(path, f"corrupt-{MAX_CORRUPT}"))
    try:
        path.replace(free)
        durable.sync_folder(path.parent)
    except OSError as error:
        if error.errno not in durable.MAY_PASS:
            raise
        return path.name  # the next save replaces it
    return free.name


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(f"{path.name}.{suffix}")
