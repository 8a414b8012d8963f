"""Where answers go; one file each, found by its name.

``-`` is ``stdout``; ``NAME:WHERE`` asks for one by name; anything else is a folder.

To add one: write ``paceline/sinks/<name>.py`` with a class that fits ``Sink`` and
``PLUGIN = ThatClass``. ``tests/contract/test_sinks.py`` finds it by itself.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Any, Final, Protocol, Self

import msgspec
from numpy.typing import NDArray

from paceline.pictures.postprocess import Found
from paceline.run_files import Feed
from wire import plugins
from wire.session import Session

_NAMED: Final = re.compile(r"([a-z][a-z0-9_]*):(.*)", re.DOTALL)


class Failure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a frame has no result."""

    code: str
    message: str
    device: str | None = None
    """Who says so; None: this program."""


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one frame, as JSON; one of ``found``, ``outputs`` and ``error``."""

    frame: int
    """Its number in this run, from 0: frames that were broken or dropped have one, too."""
    source: str
    """What the source calls it."""
    at_seconds: float | None = None
    """Where in the video."""
    sent_unix_ns: int = 0
    """When this was written, by this machine's clock."""
    latency_seconds: float | None = None
    """From submitting to having the answer; left out where there is no result."""
    found: Any = None
    """What the result says, where the manifest tells how to read it."""
    outputs: dict[str, Any] | None = None
    """Else each output: ``dtype``, ``shape``, and ``values`` where they are few."""
    error: Failure | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """What a sink gets for one frame."""

    record: Record
    tensors: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """The outputs; empty where there is no result."""
    feed: Feed | None = None
    """What was submitted, with its picture; None where there is no result."""

    @property
    def found(self) -> Found | None:
        """What the result says, to be drawn."""
        found: Found | None = self.record.found
        return found


@dataclass(frozen=True, slots=True)
class SinkOptions:
    """What every sink is told."""

    format: str
    """What a folder's files are: ``json``, ``npz``, ``jpg``, ``png`` or ``webp``."""
    qos: int
    """Of what is published."""
    root: str
    """The first level of the site's own topics."""
    session: Session
    """The site's connection."""
    stdout: IO[str]
    draws: bool = True
    """Whether the pipeline takes pictures and says how to read its outputs: else nothing can be
    drawn on one."""


class Sink(Protocol):
    """Takes what became of each frame; one call at a time."""

    unsent: int
    """Answers that could not be delivered, and that nobody waits for."""

    @classmethod
    def open(cls, where: str, options: SinkOptions) -> Self:
        """Return the sink at ``where``, which takes answers.

        Raises:
            SinkError: It cannot.
        """
        ...

    def write(self, entry: Entry) -> None:
        """Deliver what became of one frame.

        Raises:
            CodedError: Neither this nor any other can be delivered: the run ends.
        """
        ...

    def close(self) -> None:
        """Deliver what is still on its way; closing twice is harmless."""
        ...


def names() -> tuple[str, ...]:
    """Return the names of all sinks."""
    return plugins.names(__name__)


def named(where: str) -> tuple[str, str]:
    """Return which sink ``where`` asks for, and what it is told."""
    if where == "-":
        return "stdout", where
    match = _NAMED.fullmatch(where)
    return (match[1], match[2]) if match else ("folder", where)


def open_sink(where: str, options: SinkOptions) -> Sink:
    """Return the sink that ``where`` asks for, opened.

    Raises:
        SinkError: It cannot take answers.
        UnknownPluginError: There is no sink of that name.
    """
    name, told = named(where)
    opened: Sink = plugins.load(__name__, name).open(told, options)
    return opened
