"""A video file."""

from collections.abc import Generator
from typing import ClassVar, Self

from paceline.decoding import Video
from paceline.sources import Shot, SourceOptions


class VideoSource:
    """The pictures of a file, in order; with ``follow`` from the beginning, again and again."""

    live: ClassVar[bool] = False

    def __init__(self, where: str, options: SourceOptions) -> None:
        self._where = where
        self._options = options
        self._video = self._opened()
        self.shots_per_second = self._video.pictures_per_second

    @classmethod
    def open(cls, where: str, options: SourceOptions) -> Self:
        """Return the source; see ``Source``."""
        return cls(where, options)

    def shots(self) -> Generator[Shot, None, None]:
        """Yield its pictures; see ``Source``."""
        while True:
            yield from self._video.shots()
            if not self._options.follow or self._options.stop.is_set():
                return
            self._video.close()
            self._video = self._opened()

    def close(self) -> None:
        """Close the file; see ``Source``."""
        self._video.close()

    def _opened(self) -> Video:
        # a playlist in a video's clothes reads no other file and no network
        options = {"protocol_whitelist": "file"}
        return Video(f"file:{self._where}", self._where, options=options, live=False)


PLUGIN = VideoSource
