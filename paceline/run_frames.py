"""From what a source gives to the frames of a run, and back to what each answer is of."""

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, Final

from numpy.typing import NDArray

from paceline import run_files
from paceline.pictures import preprocess
from paceline.pictures.errors import PictureError, PictureTooLargeError
from paceline.run_errors import RunInputError
from paceline.run_files import Feed
from paceline.sources import Shot, Source
from wire.errors import CodedError
from wire.messages import Route

_SKIPPED: Final = (PictureError, PictureTooLargeError, RunInputError)
"""What is wrong with one file alone; others end the run."""


class Given(dict[str, NDArray[Any]]):
    """One frame's inputs by name, with the picture that they were made of."""

    def __init__(self, feed: Feed) -> None:
        super().__init__(feed.arrays)
        self.feed = feed


@dataclass(frozen=True, slots=True)
class Label:
    """What a frame is called in a run."""

    number: int
    source: str
    at_seconds: float | None


class Frames:
    """The frames of a run: read in one thread, labels taken in another, in the same order.

    Args:
        source: Where they come from; closed in the end.
        route: What the pipeline takes.
        skipped: Told, in the reading thread, of each shot that makes no frame, and why.
        count: So many frames at most; None: all.
        pace: Frames a second that a recording is played at; None: as fast as they are taken.
        stop: Set when no more are wanted.
    """

    def __init__(
        self,
        source: Source,
        route: Route,
        skipped: Callable[[Label, CodedError], None],
        *,
        count: int | None,
        pace: float | None,
        stop: Event,
    ) -> None:
        self._source = source
        self._route = route
        self._skipped = skipped
        self._count = count
        self._pace = pace
        self._stop = stop
        self._labels: deque[Label] = deque()

    def __iter__(self) -> Iterator[Given]:
        given = 0
        due = 0.0
        try:
            with contextlib.closing(self._source.shots()) as shots:
                for number, shot in enumerate(shots):
                    label = Label(number, shot.name, shot.at_seconds)
                    try:
                        feed = self._feed(shot)
                    except _SKIPPED as error:
                        self._skipped(label, error)
                        continue
                    if feed is None:
                        assert shot.error is not None
                        self._skipped(label, shot.error)
                        continue
                    if self._pace is not None:
                        self._stop.wait(due - time.monotonic())
                        due = max(due + 1 / self._pace, time.monotonic())  # no catching up
                    self._labels.append(label)  # before it can be answered
                    yield Given(feed)
                    given += 1
                    if given == self._count or self._stop.is_set():
                        return
        finally:
            self._source.close()

    def label(self) -> Label:
        """Return what the next frame, in the order in which they were given, is called."""
        return self._labels.popleft()

    def _feed(self, shot: Shot) -> Feed | None:
        """Return what is submitted for a shot; None: its error says why nothing is.

        Raises:
            CodedError: It cannot be read, or it is not what the pipeline takes.
        """
        if shot.content is None:
            return None
        if isinstance(shot.content, Path):
            takes_it = shot.content.suffix.lower() == run_files.TENSORS
            if not takes_it:
                self.need_pictures()
            return run_files.read(shot.content, self._route)
        how = self.need_pictures()
        prepared = preprocess.prepare(shot.content, how, name=shot.name)
        return Feed({how.input: prepared.array}, prepared)

    def need_pictures(self) -> Any:
        """Return how a picture becomes a frame.

        Raises:
            NoPicturesError: The pipeline takes none.
        """
        if self._route.preprocess is None:
            raise NoPicturesError(self._route.pipeline)
        return self._route.preprocess


class NoPicturesError(CodedError):
    """A source gives pictures, and the pipeline takes tensors."""

    code = "run.takes_no_pictures"
    exit_code = 3

    def __init__(self, pipeline: str) -> None:
        super().__init__(pipeline)
        self.pipeline = pipeline

    def __str__(self) -> str:
        return (
            f"pipeline {self.pipeline}: takes tensors, no pictures; give a folder of .npz files, or"
            " split again with --preprocess"
        )
