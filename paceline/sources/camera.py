"""A camera of this machine, by Video4Linux."""

from collections.abc import Generator
from functools import partial
from typing import ClassVar, Self

from paceline.decoding import Video
from paceline.reopening import Reopened
from paceline.sources import Shot, SourceOptions


class CameraSource:
    """What a camera such as ``/dev/video0`` sees now; unplugged, it is waited for."""

    live: ClassVar[bool] = True
    shots_per_second: ClassVar[float | None] = None

    def __init__(self, where: str, options: SourceOptions) -> None:
        opened = partial(Video, where, where, format_="v4l2", options={}, live=True)
        self._camera = Reopened(where, partial(opened, rate=options.rate), options)

    @classmethod
    def open(cls, where: str, options: SourceOptions) -> Self:
        """Return the source; see ``Source``."""
        return cls(where, options)

    def shots(self) -> Generator[Shot, None, None]:
        """Yield what it sees; see ``Source``."""
        return self._camera.shots()

    def close(self) -> None:
        """Let go of the camera; see ``Source``."""
        self._camera.close()


PLUGIN = CameraSource
