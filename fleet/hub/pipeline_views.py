"""A pipeline as it is shown: a graph of stages and links, with what limits it. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final, Literal

from fleet.hub.bottlenecks import bottleneck
from fleet.hub.device_views import FAILED, gone_problem
from fleet.hub.known_device import KnownDevice
from fleet.hub.known_pipeline import KnownPipeline, StageKey
from fleet.hub.stage_flow import Flow
from fleet.hub.views import (
    URGENCY,
    LinkView,
    PipelineView,
    ProblemView,
    StageView,
    State,
    by_stage,
)
from fleet.hub.waterfalls import CLIENT
from wire.messages import ReportedAssignment, RouteStage

SERVING: Final = "serving"
MISSING: Final = "missing"


def pipeline_view(
    known: KnownPipeline, devices: Mapping[str, KnownDevice], now: float, unix_ns: int
) -> PipelineView:
    """Return what is shown of a pipeline.

    Args:
        known: The pipeline.
        devices: At least those of its route, and those that report some of it.
        now: Monotonic seconds.
        unix_ns: The same instant.
    """
    route = known.route
    generation = route.generation if route else None
    stages = [
        _stage(known, generation or 0, stage, devices.get(stage.device), now, unix_ns)
        for stage in (route.stages if route else ())
    ]
    links = _links(known, generation or 0, stages, now)
    pace = known.pace(now)
    return PipelineView(
        pipeline=known.pipeline,
        state=_state(stages),
        condition=_condition(stages),
        generation=generation,
        epoch=route.epoch if route else None,
        manifest=route.manifest if route else None,
        stages=tuple(stages),
        links=links,
        bottleneck=bottleneck(stages, links, pace.frames_per_second, unix_ns),
        frames_per_second=pace.frames_per_second,
        latency_seconds_p50=pace.latency_seconds_p50,
        latency_seconds_p95=pace.latency_seconds_p95,
        account=known.book.view(now),
        waterfall=known.waterfalls.view(now),
        other_generations=tuple(_others(known, devices, stages, generation)),
    )


_PASSES: Final = {"ok", "warning"}
"""States of a stage that gives answers."""


def urgency(view: PipelineView) -> tuple[int, str]:
    """Return what pipelines are sorted by: problems first, then by name."""
    return URGENCY[view.state], view.pipeline


def _stage(
    known: KnownPipeline,
    generation: int,
    stage: RouteStage,
    device: KnownDevice | None,
    now: float,
    unix_ns: int,
) -> StageView:
    found = _reported(known.pipeline, generation, stage.stage, device)
    presence = device.presence(now, unix_ns) if device else "unknown"
    gone = gone_problem(device, presence) if device else _never_heard(stage.device)
    since = device.by_our_clock(found.since_unix_ns) if device and found else None
    reason = gone or _reason(found, stage, since, heard=bool(device and device.reported))
    flow = known.flows.get(StageKey(stage.device, generation, stage.stage))
    recent = flow.recent(now) if flow and gone is None else None
    newest = flow.newest if flow else None
    worker = device.worker(known.pipeline, generation, stage.stage) if device else None
    return StageView(
        stage=stage.stage,
        device=stage.device,
        segment=stage.segment,
        state=_stage_state(found, gone, heard=bool(device and device.reported)),
        phase=found.phase if found else MISSING,
        presence=presence,
        runtime_asked=stage.runtime,
        runtime_actual=found.runtime_actual if found else None,
        accelerator=found.accelerator_actual if found else "",
        reason=reason,
        since_unix_ns=since,
        restarts=found.restarts if found else 0,
        queued_frames=newest.queued_frames if newest and gone is None else None,
        errors=dict(newest.counts.errors) if newest else {},
        refused=dict(newest.counts.refused) if newest else {},
        sent_again=newest.counts.sent_again if newest else 0,
        batches=newest.counts.batches if newest else 0,
        memory_bytes=worker.private_bytes if worker and gone is None else None,
        cpu_ratio=worker.cpu_ratio if worker and gone is None else None,
        **_speeds(recent),
    )


def _speeds(flow: Flow | None) -> dict[str, float | None]:
    """Return what a view tells of the speed of a stage."""
    if flow is None or not flow.seconds:
        return {}
    return {
        "frames_per_second": flow.run / flow.seconds,
        "run_seconds_p50": flow.part("run").percentile_seconds(0.5),
        "run_seconds_p95": flow.part("run").percentile_seconds(0.95),
        "queue_seconds_p50": flow.part("queue").percentile_seconds(0.5),
        "utilisation_ratio": min(1.0, flow.busy_seconds / flow.seconds),
    }


def _links(
    known: KnownPipeline, generation: int, stages: Sequence[StageView], now: float
) -> tuple[LinkView, ...]:
    if not stages:
        return ()
    ends: list[tuple[StageView, ...]] = [(), *by_stage(stages), ()]
    return tuple(_link(known, generation, source, target, now) for source, target in pairwise(ends))


def _link(
    known: KnownPipeline,
    generation: int,
    sources: Sequence[StageView],
    targets: Sequence[StageView],
    now: float,
) -> LinkView:
    """Return one hop; between replicas it is all of theirs together, and none is the client."""
    names = tuple(str(ends[0].stage) if ends else CLIENT for ends in (sources, targets))
    working = [[end for end in ends if end.state != "error"] for ends in (sources, targets)]
    broken = any(ends and not ok for ends, ok in zip((sources, targets), working, strict=True))
    told = [] if broken else working[1] if targets else working[0]
    flows = [known.flows.get(StageKey(one.device, generation, one.stage)) for one in told]
    recent = [flow.recent(now) for flow in flows if flow is not None]
    lately = [flow for flow in recent if flow is not None]
    counts = [
        (f.received_bytes, f.received, f.seconds) if targets else (f.sent_bytes, f.sent, f.seconds)
        for f in lately
    ]
    frames = sum(count for _, count, _ in counts)
    rates = [8 * size / seconds for size, _, seconds in counts if seconds]
    hop = None if broken else known.waterfalls.hop_time(names[0], names[1], now)
    waits = [one.queue_seconds_p50 for one in targets if one.queue_seconds_p50 is not None]
    queued = [one.queued_frames for one in targets if one.queued_frames is not None]
    return LinkView(
        source=names[0],
        target=names[1],
        link=_used(known, generation, *working)
        if sources and targets
        else _used_by_clients(known, now, answers=not targets),
        state="error" if broken else "ok",
        bytes_per_frame=sum(size for size, _, _ in counts) / frames if frames else None,
        bits_per_second=sum(rates) if rates else None,
        hop_seconds_p50=hop.seconds if hop else None,
        hop_error_seconds=hop.error_seconds if hop else None,
        queue_seconds_p50=max(waits, default=None),
        queued_frames=sum(queued) if queued else None,
    )


def _used(
    known: KnownPipeline,
    generation: int,
    sources: Sequence[StageView],
    targets: Sequence[StageView],
) -> str | None:
    """Return which links are used from one to the other."""
    flows = [known.flows.get(StageKey(one.device, generation, one.stage)) for one in sources]
    told = [flow.newest.links for flow in flows if flow is not None and flow.newest is not None]
    used = {links[one.device] for links in told for one in targets if one.device in links}
    return ", ".join(sorted(used)) or None


def _used_by_clients(known: KnownPipeline, now: float, *, answers: bool) -> str:
    """Return which links are used to the entry, or for answers; if none is told, the usual one."""
    used = ", ".join(sorted(known.used_by_clients(now, answers=answers)))
    return used or known.usual_for_clients(answers=answers)


def _reported(
    pipeline: str, generation: int, stage: int, device: KnownDevice | None
) -> ReportedAssignment | None:
    place = (pipeline, generation, stage)
    for found in device.reported.assignments if device and device.reported else ():
        if (found.pipeline, found.generation, found.stage) == place:
            return found
    return None


def _reason(
    found: ReportedAssignment | None,
    stage: RouteStage,
    since_unix_ns: int | None,
    *,
    heard: bool,
) -> ProblemView | None:
    if found is None:
        if not heard:
            return None
        text = f"{stage.device} reports no such stage: it was ordered away or its state was lost"
        return ProblemView(code="stage.missing", message=text)
    why = found.degraded if found.phase == SERVING else found.reason
    if why is None:
        return None
    degraded = why is found.degraded
    return ProblemView(
        code=why.code,
        message=why.message,
        severity="warning" if degraded else "error",
        since_unix_ns=None if degraded else since_unix_ns,  # it may have served well for long
    )


def _never_heard(device: str) -> ProblemView:
    return ProblemView(code="device.unknown", message=f"nothing was ever heard of {device}")


def _stage_state(
    found: ReportedAssignment | None, gone: ProblemView | None, *, heard: bool
) -> State:
    if gone is not None:
        return "error"
    if found is None:
        return "error" if heard else "busy"
    if found.phase == FAILED:
        return "error"
    if found.phase != SERVING:
        return "busy"
    return "warning" if found.degraded else "ok"


def _condition(
    stages: Sequence[StageView],
) -> Literal["serving", "degraded", "down", "not_deployed"]:
    if not stages:
        return "not_deployed"
    if all(stage.state == "ok" for stage in stages):
        return "serving"
    passes = all(any(one.state in _PASSES for one in replicas) for replicas in by_stage(stages))
    return "degraded" if passes else "down"


def _state(stages: Sequence[StageView]) -> State:
    states = {stage.state for stage in stages}
    if not states:
        return "off"
    return next(state for state in ("error", "warning", "busy", "ok") if state in states)


def _others(
    known: KnownPipeline,
    devices: Mapping[str, KnownDevice],
    stages: Sequence[StageView],
    generation: int | None,
) -> Iterator[str]:
    routed = {(stage.device, generation, stage.stage) for stage in stages}
    for name, device in sorted(devices.items()):
        for found in device.reported.assignments if device.reported else ():
            place = (name, found.generation, found.stage)
            if found.pipeline == known.pipeline and place not in routed:
                yield f"{name} {found.generation}-{found.stage} {found.phase}"
