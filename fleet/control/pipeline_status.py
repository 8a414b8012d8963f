"""How a pipeline is, from its route and what its devices report. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal

import msgspec

from fleet.control.device_state import DeviceState
from fleet.edge_codecs import ENTRY
from wire import codec_names, messages
from wire.errors import MessageError
from wire.messages import Assignment, Desired, Reason, ReportedAssignment, Route


class StageStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One stage of one generation on its device."""

    generation: int
    stage: int
    device: str
    segment: str
    device_state: str
    """``online``, ``offline``, ``lost``, or ``unknown`` when it was never seen."""
    phase: str
    """As the device reports it; ``missing`` when it does not report the stage."""
    outcome: str | None = None
    runtime: str | None = None
    """The one that runs it; None: none does."""
    runtime_asked: str | None = None
    """The one that was ordered; None: the device does not report the stage."""
    accelerator: str = ""
    """What that runtime really runs it on; empty: none does, or an agent too old to say."""
    degraded: Reason | None = None
    """Why it does not run, or not wholly, as it was ordered to."""
    restarts: int = 0
    reason: Reason | None = None
    since_unix_ns: int | None = None
    """Since when it is in this phase, by the device's clock."""
    insecure: bool = False
    """Whether the device allows a broker without credentials or TLS."""


ANSWERS: Final = "answers"
"""The edge from the last stage to clients."""


class EdgeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How tensors get from one stage to the next, in and out."""

    edge: str
    """``entry``, the stage that sends, or ``answers``."""
    link: str | None
    """As ordered: ``auto`` is a choice of the workers. None: it is not known."""
    codec: str | None
    """None: it is not known, for the broker has lost the orders."""


class PipelineStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A pipeline."""

    pipeline: str
    state: Literal["serving", "degraded", "down", "not_deployed"]
    """``degraded``: every stage serves, but not on all of its devices, or on less than was asked
    for; ``down``: a stage serves on none; ``not_deployed``: it has no route."""
    generation: int | None
    """The one that the route names."""
    epoch: int | None
    manifest: str | None
    stages: tuple[StageStatus, ...]
    """Those of the route, by stage."""
    others: tuple[StageStatus, ...]
    """Other generations that devices still, or already, run."""
    edges: tuple[EdgeStatus, ...] = ()
    """The entry, then one behind each stage but the last; none without a route."""


def pipeline_status(
    pipeline: str, route: Route | None, states: Mapping[str, DeviceState]
) -> PipelineStatus:
    """Return how ``pipeline`` is; ``states`` holds every device of its route."""
    reported = _reported(pipeline, states)
    stages: list[StageStatus] = []
    for stage in route.stages if route else ():
        place = (stage.device, route.generation if route else 0, stage.stage)
        found = reported.pop(place, None)
        stages.append(
            _status(found, states[stage.device])
            if found
            else StageStatus(
                generation=place[1],
                stage=stage.stage,
                device=stage.device,
                segment=stage.segment,
                device_state=states[stage.device].presence,
                phase="missing",
                insecure=_is_insecure(states[stage.device]),
            )
        )
    others = [_status(found, states[place[0]]) for place, found in sorted(reported.items())]
    return PipelineStatus(
        pipeline=pipeline,
        state=_state(route, stages),
        generation=route.generation if route else None,
        epoch=route.epoch if route else None,
        manifest=route.manifest if route else None,
        stages=tuple(stages),
        others=tuple(others),
        edges=_edges(route, states) if route else (),
    )


def _edges(route: Route, states: Mapping[str, DeviceState]) -> tuple[EdgeStatus, ...]:
    """Return how tensors travel in the generation that the route names, as was ordered."""
    ordered = {
        assignment.stage: assignment.transfer
        for state in states.values()
        for assignment in _ordered(state)
        if (assignment.pipeline, assignment.generation) == (route.pipeline, route.generation)
    }
    edges = [EdgeStatus(edge=ENTRY, link=route.entry_link or None, codec=route.codec)]
    for stage in sorted({stage.stage for stage in route.stages})[:-1]:
        how = ordered.get(stage)
        link, codec = (how.link, how.codec) if how else (None, None)
        edges.append(EdgeStatus(edge=str(stage), link=link, codec=codec))
    if route.answers_link:
        edges.append(EdgeStatus(edge=ANSWERS, link=route.answers_link, codec=codec_names.DEFAULT))
    return tuple(edges)


def _ordered(state: DeviceState) -> Sequence[Assignment]:
    """Return what a device was ordered, by whomever: this is shown and not carried on."""
    try:
        return messages.decode("desired", state.desired or b"", Desired).assignments
    except MessageError:
        return ()


def _reported(
    pipeline: str, states: Mapping[str, DeviceState]
) -> dict[tuple[str, int, int], ReportedAssignment]:
    def rows() -> Iterator[tuple[tuple[str, int, int], ReportedAssignment]]:
        for name, state in states.items():
            for found in state.reported.assignments if state.reported else ():
                if found.pipeline == pipeline:
                    yield (name, found.generation, found.stage), found

    return dict(rows())


def _status(found: ReportedAssignment, state: DeviceState) -> StageStatus:
    return StageStatus(
        generation=found.generation,
        stage=found.stage,
        device=state.device,
        segment=found.segment,
        device_state=state.presence,
        phase=found.phase,
        outcome=found.outcome,
        runtime=found.runtime_actual,
        runtime_asked=found.runtime_asked,
        accelerator=found.accelerator_actual,
        degraded=found.degraded,
        restarts=found.restarts,
        reason=found.reason,
        since_unix_ns=found.since_unix_ns or None,
        insecure=_is_insecure(state),
    )


def _is_insecure(state: DeviceState) -> bool:
    return state.info is not None and state.info.insecure


def _state(
    route: Route | None, stages: Sequence[StageStatus]
) -> Literal["serving", "degraded", "down", "not_deployed"]:
    if route is None:
        return "not_deployed"
    serving: dict[int, list[bool]] = {}
    for stage in stages:
        serves = stage.phase == "serving" and stage.device_state == "online"
        serving.setdefault(stage.stage, []).append(serves)
    if all(map(all, serving.values())) and not any(stage.degraded for stage in stages):
        return "serving"
    return "degraded" if all(map(any, serving.values())) else "down"
