"""``paceline run --source``: a source's frames through a pipeline, every answer to a sink."""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from paceline import run_files
from paceline.answers import Answer
from paceline.aside import Aside
from paceline.pipeline import Pipeline
from paceline.policies import Policy
from paceline.read_ahead import ReadAhead
from paceline.run_frames import Frames, Given, Label
from paceline.run_summary import Tally
from paceline.sinks import Entry, Failure, Record, Sink
from paceline.sources import Source
from paceline.stopping import Stopping
from wire.errors import CodedError
from wire.messages import Route

AHEAD: Final = 4
"""Frames of a job that are decoded and prepared before their turn, at most."""
VALUES: Final = 1024
"""Outputs with more elements than this have no values in JSON."""


@dataclass(frozen=True, slots=True)
class RunRequest:
    """How a source is streamed."""

    policy: Policy
    window: int
    rate: float | None
    """Frames a second at most; of what is live, the source sees to it."""
    deadline_seconds: float
    count: int | None
    codec: str | None = None
    """How entering frames are written; None: as the route says."""


class Streamed:
    """One run, and what came of it.

    Args:
        pipeline: Where to.
        source: Where from; closed in the end.
        sink: Where the answers go.
        request: How.
        stopping: Hears Ctrl-C and SIGTERM.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        source: Source,
        sink: Sink,
        request: RunRequest,
        stopping: Stopping,
    ) -> None:
        self.tally = Tally()
        self.skipped: Counter[str] = Counter()
        """What the source gave that made no frame, by code."""
        self.error: CodedError | None = None
        """Why it ended before its time."""
        self.interrupted = False
        self.route = pipeline.route
        self._pipeline = pipeline
        self._sink = sink
        self._request = request
        self._stopping = stopping
        self._writing = threading.Lock()
        """Answers are written in one thread, what was skipped in another."""
        recorded = request.policy is Policy.DROP_OLDEST and not source.live
        self._frames = Frames(
            source,
            self.route,
            self._skip,
            count=request.count,
            pace=(request.rate or source.shots_per_second) if recorded else None,
            stop=stopping.asked,
        )
        self._rate = None if recorded or source.live else request.rate

    def run(self, aside: Aside) -> None:
        """Stream until the source ends, something breaks, or a signal asks to end.

        After the first signal no more frames are taken, and those in flight have their answers; a
        second one ends them, too.
        """
        request = self._request
        live = request.policy is Policy.DROP_OLDEST
        ahead = ReadAhead(
            iter(self._frames),
            room=1 if live else AHEAD,
            newest_wins=live,
            stop=self._stopping.asked,
        )
        answers = self._pipeline.stream(
            ahead,
            window=request.window,
            rate=self._rate,
            deadline_seconds=request.deadline_seconds,
            codec=request.codec,
            policy=request.policy,
        )
        self._stopping.gentle = True
        try:
            with contextlib.closing(answers), aside.watched():
                self._take(answers, aside)
        except CodedError as error:
            self.error = error
        except KeyboardInterrupt:
            self.interrupted = True
        self._stopping.gentle = False
        self.interrupted = self.interrupted or self._stopping.asked.is_set()
        self._stopping.asked.set()  # a source that waits for its camera waits no more

    def _take(self, answers: Iterator[Answer], aside: Aside) -> None:
        shown = 0.0
        for answer in answers:
            self.tally.add(answer)
            label = self._frames.label()
            entry = entry_of(label, answer, self.route)
            with self._writing:
                self._sink.write(entry)
            now = time.monotonic()
            if now - shown >= 0.1:
                shown = now
                aside.count(self.tally.line())

    def _skip(self, label: Label, error: CodedError) -> None:
        """Count and write what makes no frame; in the reading thread."""
        failure = Failure(code=error.code, message=str(error))
        with self._writing:
            self.skipped[error.code] += 1
            self._sink.write(Entry(_record(label, error=failure)))


def entry_of(label: Label, answer: Answer, route: Route) -> Entry:
    """Return what a sink gets for an answer.

    Raises:
        AnswerError: The outputs are not what the manifest says.
    """
    if answer.error is not None:
        error = answer.error
        failure = Failure(code=error.reason, message=error.message, device=error.where)
        return Entry(_record(label, error=failure))
    given = answer.inputs
    feed = given.feed if isinstance(given, Given) else run_files.Feed(given)
    said = run_files.found(answer.tensors, route, feed)
    record = _record(
        label,
        latency_seconds=round(answer.latency_seconds, 6),
        found=said,
        outputs=_outputs(answer.tensors) if said is None else None,
    )
    return Entry(record, answer.tensors, feed)


def _record(label: Label, **what: Any) -> Record:
    return Record(
        frame=label.number,
        source=label.source,
        at_seconds=label.at_seconds,
        sent_unix_ns=time.time_ns(),
        **what,
    )


def _outputs(tensors: run_files.Arrays) -> dict[str, Any]:
    """Return outputs as JSON holds them: of large ones only what they are."""
    few = sum(array.size for array in tensors.values()) <= VALUES
    return {
        name: {
            "dtype": str(array.dtype),
            "shape": list(array.shape),
            **({"values": array.tolist()} if few else {}),
        }
        for name, array in tensors.items()
    }
