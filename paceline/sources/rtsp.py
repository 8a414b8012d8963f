"""A camera on the network, by RTSP over TCP."""

from collections.abc import Generator
from pathlib import Path
from typing import ClassVar, Final, Self
from urllib.parse import quote, urlsplit, urlunsplit

from paceline.decoding import Video
from paceline.reopening import Reopened
from paceline.source_errors import SourceError
from paceline.sources import Shot, SourceOptions

_OPTIONS: Final = {"rtsp_transport": "tcp", "fflags": "nobuffer"}
"""Over TCP: what UDP loses, a decoder shows as smears."""


class RtspSource:
    """What a camera sees now; when it drops the stream, it is asked again."""

    live: ClassVar[bool] = True
    shots_per_second: ClassVar[float | None] = None

    def __init__(self, where: str, options: SourceOptions) -> None:
        shown = address(where, None)
        self._options = options

        def opened() -> Video:
            secret = address(where, options.password_file)  # read again: it may have changed
            return Video(secret, shown, options=_OPTIONS, live=True, rate=options.rate)

        self._camera = Reopened(shown, opened, options)

    @classmethod
    def open(cls, where: str, options: SourceOptions) -> Self:
        """Return the source; see ``Source``."""
        return cls(where, options)

    def shots(self) -> Generator[Shot, None, None]:
        """Yield what it sees; see ``Source``."""
        return self._camera.shots()

    def close(self) -> None:
        """Disconnect; see ``Source``."""
        self._camera.close()


def address(where: str, password_file: Path | None) -> str:
    """Return the URL, with the password of a file.

    Raises:
        SourceError: It is no such URL, holds a password itself, or the file cannot be used.
    """
    try:
        parts = urlsplit(where)
        host, password = parts.hostname, parts.password
        _ = parts.port
    except ValueError as error:
        raise SourceError("rtsp://...", f"is no URL ({error})", "correct it") from error
    shown = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    if not host:
        raise SourceError(shown, "names no host", "write it like rtsp://camera.local/stream")
    if password is not None:
        problem = "holds a password, where every user of this machine can read it"
        advice = "leave it out, and name a file that holds it with --source-password-file"
        raise SourceError(shown, problem, advice)
    if password_file is None:
        return where
    if not parts.username:
        problem = "there is a password, but no user"
        raise SourceError(shown, problem, f"write it like {parts.scheme}://USER@{host}/...")
    try:
        with password_file.open() as file:
            secret = file.read(1024).strip()
    except (OSError, UnicodeDecodeError) as error:
        problem = f"its password cannot be read from {password_file} ({error})"
        raise SourceError(shown, problem, "name a file of text that you may read") from error
    place = f"{parts.username}:{quote(secret, safe='')}@{parts.netloc.rpartition('@')[2]}"
    return urlunsplit(parts._replace(netloc=place))


PLUGIN = RtspSource
