"""`paceline plan --measure`: the best splits' segments, measured on their devices or here."""

import os
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import msgspec
from cyclopts import Group, Parameter, validators

from fleet import keys
from fleet.control.observe import Observer
from fleet.control.requests import Requests
from fleet.formats import Tell
from fleet.model_plan import measured
from fleet.model_plan.answering import ModelAnswer
from fleet.model_plan.candidate import Candidate
from fleet.model_plan.finalists import finalists
from fleet.model_plan.reading import ModelPlanRequest
from fleet.model_plan.setting import Setting
from fleet.profiles.segments import Placed, SegmentProfiler, SegmentsOutcome
from fleet.profiles.subject import ProfileRequest
from paceline.cache import profiles_folder
from paceline.connection import connected
from paceline.serving import listen_address
from paceline.settings import Settings
from wire.measuring import MAX_SECONDS

NOBODY: Final = "none"
"""For --serve: somebody else serves the segments."""
_GROUP: Final = Group("Measuring", sort_key=1)


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureOptions:
    """How the best splits are measured as segments."""

    measure: Annotated[bool, Parameter(group=_GROUP, negative=())] = False
    """Measure the segments of the five best splits on their devices, and choose by that. What was
    measured is kept, and taken again the next time."""
    again: Annotated[bool, Parameter(group=_GROUP, negative=())] = False
    """Measure segments again, whatever is kept."""
    seconds: Annotated[
        float, Parameter(group=_GROUP, validator=validators.Number(gt=0, lte=MAX_SECONDS))
    ] = 10.0
    """How long the runs of one segment may take; fewer where the median is known to 3 % sooner."""
    serve: Annotated[str | None, Parameter(group=_GROUP)] = None
    """HOST:PORT where the devices fetch segments (their artifacts.origin); none: they are served
    elsewhere. Else as for paceline deploy."""
    key: Annotated[Path | None, Parameter(group=_GROUP)] = None
    """The signing key's file."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of it."""

    answer: ModelAnswer
    outcome: SegmentsOutcome | None = None
    """None: nothing was measured."""


@dataclass(frozen=True, slots=True)
class Measurer:
    """Measures what planning by sums found to be the best splits.

    Args:
        options: How, and whether at all.
        request: What is planned.
        settings: Of the site.
        tell: Hears what is being done.
    """

    options: MeasureOptions
    request: ModelPlanRequest
    settings: Settings
    tell: Tell

    def measure(self, setting: Setting, found: ModelAnswer) -> Measured:
        """Return the answer by what was measured; by sums where that is not asked for.

        Raises:
            CodedError: It cannot be done at all; what keeps single devices from it is in the
                outcome.
        """
        if found.split is None or not self.options.measure:
            return Measured(found)
        self.tell("looking for the next best splits")
        splits = finalists(setting, found)
        wholes = [one for one in (found.single, found.replicas) if one is not None]
        outcome = self._outcome([_placed(setting, one) for one in (*wholes, *splits)])
        seconds = {segment: one.run_seconds for segment, one in outcome.profiles.items()}
        return Measured(measured.judged(setting, found, splits, seconds, outcome.reasons), outcome)

    def _outcome(self, splits: list[Placed]) -> SegmentsOutcome:
        request = ProfileRequest(
            model=self.request.model,
            dims=self.request.dims,
            example=self.request.example,
            seconds=self.options.seconds,
        )
        kept = profiles_folder(os.environ)
        profiler = SegmentProfiler(request, kept, self.options.again, self.tell)
        if self.request.offline:
            return profiler.offline(splits)
        private = keys.load_or_make(self.options.key or keys.default_path(os.environ))
        serve = self.options.serve or listen_address(self.settings.broker.url)
        with ExitStack() as held:
            session = held.enter_context(connected(self.settings))
            seen = held.enter_context(Observer(session, self.settings.topics))
            requests = Requests(session, self.settings.topics, seen, private)
            return profiler.on_devices(requests, splits, None if serve == NOBODY else serve)


def by_sums(answer: ModelAnswer) -> ModelAnswer:
    """Return the answer with what is chosen as sums of operators say it, to compare plans with."""
    every = (*answer.wholes, *answer.finalists)
    sums = {id(one.measured): one.sum for one in every if one.measured is not None}

    def by_sum(one: Candidate | None) -> Candidate | None:
        return sums.get(id(one), one)

    return msgspec.structs.replace(
        answer,
        chosen=by_sum(answer.chosen),
        single=by_sum(answer.single),
        replicas=by_sum(answer.replicas),
        split=by_sum(answer.split),
    )


def _placed(setting: Setting, split: Candidate) -> Placed:
    blocks = setting.chain.blocks
    return Placed(
        tuple(blocks[group.last].cut for group in split.groups[:-1]),
        tuple(tuple(setting.device(d).base for d in group.devices) for group in split.groups),
    )
