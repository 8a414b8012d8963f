"""Messages as devices and clients would say them, for tests of what hears them."""

from wire import messages
from wire.histogram import Histogram
from wire.messages import (
    Account,
    ClientTimes,
    Info,
    Reason,
    Reported,
    ReportedAssignment,
    Route,
    RouteStage,
    RuntimeInfo,
    Status,
)
from wire.telemetry import Health, Latency, Problem, Reading, StageCounts, StageLatency
from wire.topics import Site

TOPICS = Site()
SECOND = 1_000_000_000


def status(device, state="online", session=1):
    """Return a birth, goodbye or will."""
    return TOPICS.device("status", device), Status(state=state, session=session, boot="b")


def info(device):
    """Return what a device is."""
    runtime = RuntimeInfo(runtime="onnx_cpu", proved=True)
    return TOPICS.device("info", device), Info(device=device, version="0.1", runtimes=(runtime,))


def reported(
    device, *stages, phase="serving", reason=None, pipeline="p", generation=7, degraded=None
):
    """Return what a device does: those stages of one pipeline."""
    assignments = tuple(
        ReportedAssignment(
            pipeline=pipeline,
            generation=generation,
            stage=stage,
            segment=f"s{stage}",
            phase=phase,
            outcome="healthy",
            digest="0" * 64,
            runtime_asked="onnx_cpu",
            runtime_actual="onnx_cpu" if phase == "serving" else None,
            reason=Reason(code=reason, message="it is so") if reason else None,
            degraded=Reason(code=degraded, message="it was pulled") if degraded else None,
        )
        for stage in stages
    )
    told = Reported(
        device=device, session=1, observed=(1, 1), applied=(1, 1), assignments=assignments
    )
    return TOPICS.device("reported", device), told


def health(device, sent=1, *, readings=(), problems=(), session=1):
    """Return telemetry; readings as (name, value) or (name, value, labels)."""
    told = Health(
        device=device,
        session=session,
        sent_unix_ns=sent * SECOND,
        healthy=not problems,
        readings=tuple(
            Reading(name=r[0], value=r[1], labels=r[2] if len(r) > 2 else {}) for r in readings
        ),
        problems=tuple(Problem(code=code, message="it is so") for code in problems),
    )
    return TOPICS.topic("tele", device=device, kind="health"), told


def stage_latency(stage, runs, *, run_ns=10_000_000, instance=1, pipeline="p", generation=7):
    """Return what a worker has counted after so many frames."""
    histogram = Histogram()
    for _ in range(runs):
        histogram.add(run_ns)
    return StageLatency(
        pipeline=pipeline,
        generation=generation,
        stage=stage,
        instance=instance,
        counts=StageCounts(
            received=runs, run=runs, sent=runs, received_bytes=1000 * runs, sent_bytes=500 * runs
        ),
        histograms={"run": histogram.to_message()},
    )


def latency(device, *stages, sent=1):
    """Return a device's ``tele/latency``."""
    told = Latency(device=device, session=1, sent_unix_ns=sent * SECOND, stages=stages)
    return TOPICS.topic("tele", device=device, kind="latency"), told


def route(*devices, pipeline="p", generation=7):
    """Return a pipeline's route over these devices."""
    return route_over(*((device,) for device in devices), pipeline=pipeline, generation=generation)


def route_over(*replicas, pipeline="p", generation=7):
    """Return a pipeline's route over the replicas of each stage."""
    stages = tuple(
        RouteStage(stage=number, device=device, segment=f"s{number}", runtime="onnx_cpu")
        for number, devices in enumerate(replicas)
        for device in devices
    )
    told = Route(
        pipeline=pipeline,
        generation=generation,
        epoch=1,
        manifest="0" * 64,
        stages=stages,
        receives=(),
        outputs=(),
    )
    return TOPICS.topic("route", pipeline=pipeline), told


def account(results, *, client="c", in_flight=0, errors=None, pipeline="p", **values):
    """Return a client's account."""
    histogram, errors = Histogram(), errors or {}
    for _ in range(results):
        histogram.add(20_000_000)
    told = Account(
        pipeline=pipeline,
        client=client,
        stream=1,
        submitted=results + in_flight + sum(errors.values()),
        results=results,
        errors=errors,
        drops=0,
        in_flight=in_flight,
        lost=0,
        sent_unix_ns=0,
        latency=histogram.to_message(),
        **values,
    )
    return TOPICS.topic("acct", pipeline=pipeline, client=client), told


def client_times(sequence=0, *, begin=0, answered=100_000_000, clock="client"):
    """Return one frame's times by its client."""
    return ClientTimes(
        sequence=sequence, clock=clock, submitted=begin, sent=begin + 1000, answered=answered
    )


def take(state, told, now=0.0, unix_ns=None):
    """Give a message to a site's state, as bytes on its topic."""
    topic, message = told
    kind = state.topics.parse(topic).kind
    data = messages.encode(kind, message)
    state.take(topic, data, now, int(1e18 + now * 1e9) if unix_ns is None else unix_ns)
