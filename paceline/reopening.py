"""A camera that goes and comes back: opened again with patience, each loss and return said once."""

import random
import time
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING

from paceline.formatting import seconds_text
from paceline.source_errors import SourceBrokenError, SourceError
from paceline.sources import Shot, SourceOptions
from wire.reconnects import Reconnects

if TYPE_CHECKING:
    from paceline.decoding import Video


class Reopened:
    """The shots of a camera, whatever becomes of it meanwhile.

    Args:
        shown: What people call it.
        open_: Opens it; raises `SourceError` when it is not there.
        options: Whom to tell, and when to stop.

    Raises:
        CodedError: It is not there at first: then something is wrong with how it is named.
    """

    def __init__(self, shown: str, open_: Callable[[], "Video"], options: SourceOptions) -> None:
        self._shown = shown
        self._open = open_
        self._options = options
        self._video: Video | None = open_()
        self._lost_at: float | None = None

    def shots(self) -> Generator[Shot, None, None]:
        """Yield shots until ``options.stop``."""
        waits = Reconnects(random.Random())  # noqa: S311 jitter needs no secrecy
        stop = self._options.stop
        while not stop.is_set():
            began = time.monotonic()
            try:
                if self._video is None:
                    self._video = self._open()
                yield from self._watched(self._video)
                self._lost("it ended")
                wait = waits.after_loss(time.monotonic() - began, contested=False)
            except SourceBrokenError as error:
                self._lost(error.problem)
                wait = waits.after_loss(time.monotonic() - began, contested=False)
            except SourceError as error:
                self._lost(error.problem)
                wait = waits.after_failure()
            self.close()
            stop.wait(wait)

    def close(self) -> None:
        """Close it; closing twice is harmless."""
        video, self._video = self._video, None
        if video is not None:
            video.close()

    def _watched(self, video: "Video") -> Iterator[Shot]:
        for shot in video.shots():
            if self._lost_at is not None:
                away = seconds_text(time.monotonic() - self._lost_at)
                self._options.say(f"source {self._shown}: back after {away}")
                self._lost_at = None
            yield shot
            if self._options.stop.is_set():
                return

    def _lost(self, why: str) -> None:
        if self._lost_at is None and not self._options.stop.is_set():
            self._lost_at = time.monotonic()
            self._options.say(f"source {self._shown}: lost ({why}); trying again")
