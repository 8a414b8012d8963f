"""Pictures of videos, by PyAV: the one file that knows it, and translates its errors."""

import threading
import time
from collections.abc import Generator, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from paceline.pictures.reading import MAX_PIXELS
from paceline.source_errors import (
    ShotBrokenError,
    SourceBrokenError,
    SourceError,
    SourceUnreachableError,
    VideoMissingError,
)
from paceline.sources import Shot

if TYPE_CHECKING:
    from PIL.Image import Image

OPEN_SECONDS: Final = 10.0
READ_SECONDS: Final = 5.0
"""How long a camera may be silent."""


class Video:
    """An opened video: its pictures, upright and RGB, in order.

    Args:
        address: What FFmpeg opens; may hold a password.
        shown: What people and errors call it.
        format_: FFmpeg's name of the format; None: it looks.
        options: FFmpeg's options.
        live: A camera: it is given up when it is silent, and does not end by itself.
        rate: So many pictures a second are enough; others are decoded, but not made.

    Raises:
        VideoMissingError: PyAV is not installed.
        SourceError: There is no video there that can be read.
    """

    def __init__(
        self,
        address: str,
        shown: str,
        *,
        format_: str | None = None,
        options: Mapping[str, str],
        live: bool,
        rate: float | None = None,
    ) -> None:
        self._av = _library()
        self._shown = shown
        self._live = live
        self._every_seconds = 1 / rate if live and rate else 0.0
        self._busy = threading.Lock()
        """Held while pictures are decoded: closing then would pull the memory from under it."""
        self._closed = False
        timeout = (OPEN_SECONDS, READ_SECONDS) if live else None
        try:
            self._container = self._av.open(
                address, format=format_, options=dict(options), timeout=timeout
            )
        except (self._av.FFmpegError, OSError, ValueError) as error:
            raise self._not_opened(error) from None  # its text may hold the password
        if not self._container.streams.video:
            self._container.close()
            raise SourceError(shown, "has no picture track", "name a video")
        self._stream = self._container.streams.video[0]

    @property
    def pictures_per_second(self) -> float | None:
        """The pace that it was recorded at; None: it does not say."""
        rate = self._stream.average_rate
        return float(rate) if rate else None

    def shots(self) -> Generator[Shot, None, None]:
        """Yield its pictures until it ends.

        Raises:
            SourceBrokenError: It breaks off, or a camera is silent.
        """
        due = 0.0
        number = 0
        with self._busy:
            for frame in self._frames():
                name, number = f"frame {number}", number + 1
                if isinstance(frame, ShotBrokenError):
                    yield Shot(name, error=frame)
                    continue
                now = time.monotonic()
                if now >= due:
                    on_time = now - due < self._every_seconds
                    due = (due if on_time else now) + self._every_seconds
                    yield self._shot(name, frame)

    def close(self) -> None:
        """Close it, unless its pictures are being decoded now; closing twice is harmless."""
        if self._busy.acquire(blocking=False):
            try:
                if not self._closed:
                    self._closed = True
                    self._container.close()
            finally:
                self._busy.release()

    def _frames(self) -> Iterator[Any]:
        """Yield frames as PyAV has them, and in the place of broken ones the error."""
        try:
            for packet in self._container.demux(self._stream):
                try:
                    decoded = packet.decode()
                except self._av.error.InvalidDataError as error:
                    yield ShotBrokenError(_reason(error))
                    continue
                for frame in decoded:
                    yield ShotBrokenError("parts are missing") if frame.is_corrupt else frame
        except self._av.error.EOFError:
            return  # the last packet was flushed already
        except (self._av.FFmpegError, OSError) as error:
            advice = "is the camera on?" if self._live else "copy or record it again"
            raise SourceBrokenError(self._shown, f"breaks off ({_reason(error)})", advice) from None

    def _shot(self, name: str, frame: Any) -> Shot:
        at_seconds = None if self._live or frame.time is None else round(float(frame.time), 6)
        if frame.width * frame.height > MAX_PIXELS:
            problem = f"{frame.width} x {frame.height} pixels are too many"
            return Shot(name, at_seconds=at_seconds, error=ShotBrokenError(problem))
        try:
            return Shot(name, _upright(frame), at_seconds)
        except (self._av.FFmpegError, ValueError, MemoryError) as error:
            problem = _reason(error)
            return Shot(name, at_seconds=at_seconds, error=ShotBrokenError(problem))

    def _not_opened(self, error: Exception) -> SourceError:
        problem = f"cannot be opened ({_reason(error)})"
        if not self._live:
            advice = "name a video that FFmpeg reads, such as .mp4, .mkv or .avi"
            return SourceError(self._shown, problem, advice)
        advice = "check that it is there, and that nobody else uses it"
        return SourceUnreachableError(self._shown, problem, advice)


def _library() -> Any:
    """Return PyAV.

    Raises:
        VideoMissingError: It is not installed, or not whole.
    """
    try:
        import av  # noqa: PLC0415 an extra
    except ImportError as error:
        raise VideoMissingError(str(error)) from error
    return av


def _upright(frame: Any) -> "Image":
    """Return a frame as a picture, turned as a telephone says that it was held."""
    from PIL.Image import Transpose  # noqa: PLC0415 an extra

    image: Image = frame.to_image()
    turns = {90: Transpose.ROTATE_90, 180: Transpose.ROTATE_180, 270: Transpose.ROTATE_270}
    turn = turns.get(round(frame.rotation / 90) * 90 % 360)
    return image if turn is None else image.transpose(turn)


def _reason(error: Exception) -> str:
    """Return what went wrong, without the address that FFmpeg puts behind it."""
    return getattr(error, "strerror", None) or type(error).__name__
