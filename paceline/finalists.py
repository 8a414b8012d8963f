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
from fleet.model_plan.reading import Infos, ModelPlanRequest
from fleet.model_plan.setting import Setting
from fleet.profiles.segments import Placed, SegmentProfiler, SegmentsOutcome
from fleet.profiles.subject import ProfileRequest
from paceline.cache import profiles_folder
from paceline.connection import connected
from paceline.serving import listen_address
from paceline.settings import Settings
from wire.errors import CodedError
from wire.measuring import MAX_SECONDS

NOBODY: Final = "none"
"""For --serve: somebody else serves the segments."""
CLOSE: Final = 1.25
"""A split that by sums takes more than so many times the best without a cut is measured only where
that is asked for."""
_GROUP: Final = Group("Measuring", sort_key=1)


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureOptions:
    """How the best splits are measured as segments."""

    measure: Annotated[bool | None, Parameter(group=_GROUP, show_default=False)] = None
    """Measure the segments of the five best splits on their devices, and choose by that; neither:
    where all of those devices answer, there is a signing key, and a split comes near the best
    without a cut. What was measured is kept, and taken again the next time."""
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
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Measurer:
    """Measures what planning by sums found to be the best splits.

    Args:
        options: How, and whether at all.
        request: What is planned.
        settings: Of the site.
        infos: What the fleet's devices said.
        tell: Hears what is being done.
    """

    options: MeasureOptions
    request: ModelPlanRequest
    settings: Settings
    infos: Infos
    tell: Tell

    def measure(self, setting: Setting, found: ModelAnswer) -> Measured:
        """Return the answer by what was measured; by sums where that was not to be.

        Raises:
            CodedError: It was asked for and cannot be done at all.
        """
        if found.split is None:
            return Measured(found)
        if self.options.measure is None and (reason := self._reason(setting, found)):
            return Measured(found, why_not=reason)
        if self.options.measure is False:
            return Measured(found, why_not="not wanted now")
        self.tell("looking for the next best splits")
        splits = finalists(setting, found)
        try:
            outcome = self._outcome([_placed(setting, split) for split in splits])
        except CodedError as error:
            if self.options.measure:
                raise
            return Measured(found, why_not=str(error))
        seconds = {segment: one.run_seconds for segment, one in outcome.profiles.items()}
        return Measured(measured.judged(setting, found, splits, seconds, outcome.reasons), outcome)

    def _reason(self, setting: Setting, found: ModelAnswer) -> str:
        """Return why nothing is measured unless it is asked for; empty: it is measured."""
        assert found.split is not None, "there is one to be measured"
        wholes = [one for one in (found.single, found.replicas) if one is not None]
        best = min((one.objective(found.goal) for one in wholes), default=None)
        if best is not None and found.split.objective(found.goal) > CLOSE * best:
            return f"no split comes within {CLOSE - 1:.0%} of the best without a cut"
        if self.request.offline:
            return ""
        silent = {device.base for device in setting.devices} - self.infos.devices.keys()
        if silent:
            return f"nothing was heard of {', '.join(sorted(silent))}"
        if not (self.options.key or keys.default_path(os.environ)).exists():
            return "there is no signing key that devices could trust"
        return ""

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
    for one in answer.finalists:
        if one.measured is not None and one.measured is answer.chosen:
            return msgspec.structs.replace(answer, chosen=one.sum)
    return answer


def _placed(setting: Setting, split: Candidate) -> Placed:
    blocks = setting.chain.blocks
    return Placed(
        tuple(blocks[group.last].cut for group in split.groups[:-1]),
        tuple(tuple(setting.device(d).base for d in group.devices) for group in split.groups),
    )
