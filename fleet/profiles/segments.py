"""Measure single segments of several splits, each on the devices that would run it.

A segment is known by the two cuts that it lies between, so one that several splits have is measured
once, and what was measured is taken again without writing the split anew.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from fleet import artifacts, split
from fleet.control.requests import Requests
from fleet.formats import CutRequest, Tell
from fleet.profiles import measure, store, subject
from fleet.profiles.pages import Pages
from fleet.profiles.record import ModelProfile, Question, Segment
from fleet.profiles.subject import Part, ProfileRequest
from wire import canonical
from wire.errors import CodedError
from wire.manifest import Manifest
from wire.measuring import PROFILE
from wire.messages import Info
from wire.profile_report import ProfileReport


class Placed(NamedTuple):
    """A split, and where its segments are measured."""

    cuts: tuple[tuple[str, ...], ...]
    """The tensors of each cut, in order."""
    devices: tuple[tuple[str, ...], ...]
    """Of each segment."""

    def segments(self) -> Iterator[tuple[int, Segment]]:
        """Yield each segment's place with the segment, for each of its devices."""
        ends = [(), *self.cuts, ()]
        for place, devices in enumerate(self.devices):
            for device in dict.fromkeys(devices):
                yield place, Segment(ends[place], ends[place + 1], device)


@dataclass(slots=True)
class SegmentsOutcome:
    """What measuring came to."""

    profiles: dict[Segment, ModelProfile] = field(default_factory=dict)
    reused: set[Segment] = field(default_factory=set)
    """Known from before."""
    failures: dict[str, CodedError] = field(default_factory=dict)
    """By device; or by cuts, where the model cannot be cut so."""
    reasons: dict[Segment, str] = field(default_factory=dict)
    """Why segments were not measured."""


Reports = tuple[dict[str, ProfileReport], dict[str, CodedError]]
"""By device: what it said, or what kept it from measuring."""
Ask = Callable[[Path, Mapping[str, Part], Tell], Reports]
"""Has each device measure a segment of the split in a folder."""


@dataclass(frozen=True, slots=True)
class SegmentProfiler:
    """Measures segments of one model.

    Args:
        request: The model's file, and how; it is never measured in parts.
        kept: The folder of profiles.
        again: Measure, whatever is kept.
        tell: Hears what is being done.
    """

    request: ProfileRequest
    kept: Path
    again: bool
    tell: Tell

    def on_devices(
        self, requests: Requests, splits: Sequence[Placed], serve: str | None
    ) -> SegmentsOutcome:
        """Measure on devices, those of one split at the same time.

        Args:
            requests: Asks them; its observer need not watch them yet.
            splits: What is measured.
            serve: ``HOST:PORT`` where they fetch segments; None: somebody else serves them.

        Raises:
            DevicesAbsentError: One is not there.
            ListenError: Nothing can be served there.
        """
        devices = sorted({segment.device for one in splits for _, segment in one.segments()})
        infos = measure.device_infos(requests, devices, self.tell)
        site = f"{requests.topics.root}/{requests.topics.site}"
        model = subject.identified(self.request.model).sha256
        (kind,) = subject.kinds_of(self.request)
        runtimes = {
            device: subject.runtime_for(self.request, kind, info.runtimes)
            for device, info in infos.items()
        }
        questions = {
            device: Question(
                model=model,
                sample=subject.sample_of(self.request),
                site=site,
                device=device,
                runtime=runtimes[device],
                version=measure.version(infos[device], [runtimes[device]]),
                threads=infos[device].threads,
                weights=infos[device].weights,
            )
            for device in devices
        }

        def ask(folder: Path, parts: Mapping[str, Part], tell: Tell) -> Reports:
            if serve is None:
                return self._asked(requests, parts, infos, tell)
            with artifacts.serve([folder], serve):
                return self._asked(requests, parts, infos, tell)

        return self._run(splits, _Run(self, questions, ask))

    def offline(self, splits: Sequence[Placed]) -> SegmentsOutcome:
        """Measure on this machine, whose id alone may be among the devices."""
        threads = len(os.sched_getaffinity(0))
        device = measure.machine()
        (kind,) = subject.kinds_of(self.request)
        runtime = subject.runtime_for(self.request, kind)
        question = Question(
            model=subject.identified(self.request.model).sha256,
            sample=subject.sample_of(self.request),
            site="",
            device=device,
            runtime=runtime,
            version=measure.version_here([runtime]),
            threads=threads,
            weights="prepacked",
        )

        def ask(folder: Path, parts: Mapping[str, Part], tell: Tell) -> Reports:
            tell("measuring here")
            try:
                found = measure.here(parts[device], threads, self.request, folder.parent)
            except CodedError as error:
                return {}, {device: error}
            return {device: found}, {}

        return self._run(splits, _Run(self, {device: question}, ask))

    def _run(self, splits: Sequence[Placed], run: "_Run") -> SegmentsOutcome:
        for number, one in enumerate(splits, start=1):
            run.measure(one, f"split {number} of {len(splits)}")
        return run.outcome

    def _asked(
        self,
        requests: Requests,
        parts: Mapping[str, Part],
        infos: Mapping[str, Info],
        tell: Tell,
    ) -> Reports:
        pages = Pages(parts, tell)
        orders = {
            device: measure.order_of(part, self.request, infos[device])
            for device, part in parts.items()
        }
        asked = requests.ask_all(PROFILE, orders, pages.heard)
        failed = {d: one.failure for d, one in asked.items() if one.failure is not None}
        return {d: pages.report(d) for d in parts if d not in failed}, failed


@dataclass(frozen=True, slots=True)
class _Run:
    """One split after the other, until all that can be is measured."""

    profiler: SegmentProfiler
    questions: Mapping[str, Question]
    """By device; of which segment is not in them."""
    ask: Ask
    outcome: SegmentsOutcome = field(default_factory=SegmentsOutcome)

    def measure(self, one: Placed, which: str) -> None:
        """Measure what is not known of a split; ``which`` says to people which it is."""
        left = [
            (place, segment)
            for place, segment in one.segments()
            if segment not in self.outcome.profiles and not self._recall(segment)
        ]
        if not left:
            return
        with tempfile.TemporaryDirectory(prefix="paceline-segments-") as scratch:
            folder = Path(scratch, "parts")
            self.profiler.tell(f"{which}: writing its segments")
            try:
                made = self._written(one, folder)
                self._in_turns(left, made, folder, which)
            except CodedError as error:
                self.outcome.failures[_named(one)] = error
        for _, segment in left:
            if segment not in self.outcome.profiles:
                failed = self.outcome.failures
                why = failed.get(segment.device) or failed[_named(one)]
                self.outcome.reasons[segment] = str(why)

    def _in_turns(
        self, left: list[tuple[int, Segment]], made: Manifest, folder: Path, which: str
    ) -> None:
        """Have every device measure one segment after the other, all devices at the same time."""
        parts = tuple(subject.part_of(folder, segment) for segment in made.segments)
        sizes = subject.sizes_of(made, parts)
        while left := [one for one in left if one[1].device not in self.outcome.failures]:
            turn = {segment.device: (place, segment) for place, segment in reversed(left)}
            left = [one for one in left if one not in turn.values()]
            tell = partial(self._tell, which)
            reports, failed = self.ask(folder, {d: parts[p] for d, (p, _) in turn.items()}, tell)
            self.outcome.failures.update(failed)
            for device, report in reports.items():
                place, segment = turn[device]
                profile = ModelProfile(
                    question=self._question(segment),
                    model=made.model,
                    sizes=sizes,
                    measured_unix_ns=time.time_ns(),
                    parts=(measure.measured_part(parts[place], report),),
                )
                store.keep(self.profiler.kept, profile)
                self.outcome.profiles[segment] = profile

    def _written(self, one: Placed, folder: Path) -> Manifest:
        request = self.profiler.request
        at = tuple("+".join(names) for names in one.cuts)
        cut = CutRequest(at=at, dims=request.dims, example=request.example)
        return split.split(request.model, folder, cut)

    def _recall(self, segment: Segment) -> bool:
        kept, again = self.profiler.kept, self.profiler.again
        found = None if again else store.recall(kept, self._question(segment))
        if found is not None:
            self.outcome.profiles[segment] = found
            self.outcome.reused.add(segment)
        return found is not None

    def _question(self, segment: Segment) -> Question:
        cuts = canonical.digest({"after": segment.after, "until": segment.until})
        return replace(self.questions[segment.device], split=cuts)

    def _tell(self, which: str, text: str) -> None:
        self.profiler.tell(f"{which}: {text}")


def _named(one: Placed) -> str:
    return ",".join("+".join(names) for names in one.cuts) or "the whole model"
