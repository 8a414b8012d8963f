"""Sources of many frames; one file each, found by its name.

``NAME:WHERE`` asks for one by name, as does a URL by its scheme (``rtsp://camera/1``). Without a
name, what is there decides: a folder, a device of the kernel, or else a video file.

To add one: write ``paceline/sources/<name>.py`` with a class that fits ``Source`` and
``PLUGIN = ThatClass``. Import the vendor library inside ``open``, never at the top.
``tests/contract/test_sources.py`` finds it by itself.
"""

import re
import stat
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Protocol, Self

from paceline.source_errors import SourceError
from wire import plugins
from wire.errors import CodedError

if TYPE_CHECKING:
    from PIL.Image import Image

_NAMED: Final = re.compile(r"([a-z][a-z0-9_+.-]*):(.*)", re.DOTALL)
_SAME: Final = {"rtsps": "rtsp"}
"""Schemes that another one's plugin serves, too."""
_CAMERAS: Final = "/dev/video"
"""How the kernel calls cameras."""


@dataclass(frozen=True, slots=True)
class Shot:
    """What a source gives: a picture, a file that holds one (or tensors), or why there is none."""

    name: str
    """What it is called in answers, such as ``0017.jpg`` or ``frame 17``."""
    content: "Image | Path | None" = None
    """None: ``error`` says why."""
    at_seconds: float | None = None
    """Where in the video."""
    error: CodedError | None = None


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """What every source is told."""

    stop: threading.Event = field(default_factory=threading.Event)
    """Set when no more is wanted; a source that waits for something waits for this, too."""
    say: Callable[[str], None] = lambda _: None
    """Takes a sentence for people: a camera is lost, or back."""
    rate: float | None = None
    """Of what is live, so many shots a second are enough; others need not be made."""
    follow: bool = False
    """Whether to wait for more where a source would end."""
    password_file: Path | None = None
    """Who reads it is who needs it: a camera on the network."""


class Source(Protocol):
    """Gives shots, in one thread. Opened and closed in any."""

    live: ClassVar[bool]
    """Whether shots come by themselves, and an old one is worth less than a new one."""
    shots_per_second: float | None
    """The pace that a recording was made at; None: it has none."""

    @classmethod
    def open(cls, where: str, options: SourceOptions) -> Self:
        """Return the source at ``where``, which is there.

        Raises:
            SourceError: It is not, or cannot be used.
        """
        ...

    def shots(self) -> Generator[Shot, None, None]:
        """Yield shots until there are no more; a broken one is a shot with an error.

        Raises:
            CodedError: There can be no more, and why.
        """
        ...

    def close(self) -> None:
        """Let go of it; closing twice is harmless."""
        ...


def names() -> tuple[str, ...]:
    """Return the names of all sources."""
    return plugins.names(__name__)


def named(where: str) -> tuple[str, str]:
    """Return which source ``where`` asks for, and what it is told: a URL whole.

    Raises:
        SourceError: There is nothing there.
    """
    match = _NAMED.fullmatch(where)
    if match is not None and not Path(where).exists():
        name, rest = match[1], match[2]
        return _SAME.get(name, name), where if rest.startswith("//") else rest
    try:
        mode = Path(where).stat().st_mode
    except (OSError, ValueError) as error:
        if where.startswith(_CAMERAS):
            return "camera", where  # unplugged: it says so, as one that is lost later does
        problem = getattr(error, "strerror", None) or str(error)
        known = ", ".join(names())
        advice = f"name a folder, a video, a camera or NAME:WHERE (NAME: {known})"
        raise SourceError(where, problem, advice) from error
    if stat.S_ISDIR(mode):
        return "folder", where
    return ("camera" if stat.S_ISCHR(mode) else "video"), where


def open_source(where: str, options: SourceOptions) -> Source:
    """Return the source that ``where`` asks for, opened.

    Raises:
        SourceError: It is not there, or cannot be used.
        UnknownPluginError: There is no source of that name.
    """
    name, told = named(where)
    opened: Source = plugins.load(__name__, name).open(told, options)
    return opened
