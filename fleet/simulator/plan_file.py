"""What `paceline plan --json` printed, or an instance, read from a file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import msgspec

from fleet.planner import instance as instances
from fleet.planner import plan
from fleet.planner.problem import Problem
from fleet.simulator.build import ways
from fleet.simulator.errors import NothingPlannedError, PlanFileError
from fleet.simulator.pipeline import INBOX_FRAMES, MOST_JITTER, Link, Pipeline, Quota, Stage, Worker

FIELD: Final = "pipeline"
"""Of a plan's file: what would be deployed, with all that was measured."""
_Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e6)]
_Ratio = Annotated[float, msgspec.Meta(ge=1, le=1 + MOST_JITTER)]
_Bytes = Annotated[int, msgspec.Meta(ge=0, le=2**48)]
_Positive = Annotated[float, msgspec.Meta(gt=0, le=1e18)]


class _Quota(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    seconds: Annotated[float, msgspec.Meta(gt=0, le=1e6)]
    period_seconds: Annotated[float, msgspec.Meta(ge=1e-6, le=1e6)]


class _Worker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    device: str
    run_seconds: Annotated[float, msgspec.Meta(gt=0, le=1e6)]
    spread: _Ratio = 1.0
    receive_seconds: _Seconds = 0.0
    send_seconds: _Seconds = 0.0
    sends_beside: bool = False
    handling_seconds: _Seconds = 0.0
    quota: _Quota | None = None


class _Stage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    workers: Annotated[tuple[_Worker, ...], msgspec.Meta(min_length=1)]
    out_bytes: _Bytes


class _Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    from_: str
    to: str
    latency_seconds: _Seconds
    bytes_per_second: _Positive
    jitter_seconds: _Seconds = 0.0


class _Pipeline(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    stages: Annotated[tuple[_Stage, ...], msgspec.Meta(min_length=1)]
    links: tuple[_Link, ...]
    input_bytes: _Bytes
    source: str | None = None
    sink: str | None = None


class PlanFile(NamedTuple):
    """What a file says."""

    problem: Problem
    stages: tuple[plan.Stage, ...] | None
    """None: it is an instance, and nothing is planned yet."""
    pipeline: Pipeline | None
    """What a model's plan would be deployed as, with all that was measured; None: the file does not
    tell, for it is a plan of an instance, or an instance."""


def read(file: Path, inbox_frames: int = INBOX_FRAMES) -> PlanFile:
    """Return what is in a file, which is read once: it may be a pipe.

    Args:
        file: What `paceline plan --json` printed, or an instance.
        inbox_frames: What each worker grants.

    Raises:
        InstanceError: It cannot be read, is no JSON, or its problem is none.
        PlanFileError: It is neither a plan nor an instance, or says what cannot be.
        NothingPlannedError: It is the answer that nothing fits.
    """
    found = instances.tree(instances.contents(file), str(file))
    if not isinstance(found, dict) or not {"stages", "ops"} & found.keys():
        raise PlanFileError(str(file), "is neither a plan nor an instance")
    if "stages" not in found:
        return PlanFile(instances.of_tree(found, str(file)), None, None)
    if "problem" not in found:
        raise PlanFileError(str(file), "is a plan that does not say of what (no field 'problem')")
    problem = instances.of_tree(found["problem"], f"{file}: problem")
    try:
        stages = msgspec.convert(found["stages"], tuple[plan.Stage, ...])
    except msgspec.ValidationError as error:
        raise PlanFileError(str(file), f"stages: {error}") from error
    if not stages:
        raise NothingPlannedError(str(file))
    given = found.get(FIELD)
    pipeline = None if given is None else of_tree(given, str(file), inbox_frames)
    return PlanFile(problem, stages, pipeline)


def of_tree(given: Any, file: str, inbox_frames: int = INBOX_FRAMES) -> Pipeline:
    """Return the pipeline that `described` gave; ``file`` is where it was kept.

    Raises:
        PlanFileError: It says what cannot be.
    """
    try:
        said = msgspec.convert(given, _Pipeline)
    except msgspec.ValidationError as error:
        raise PlanFileError(file, f"{FIELD}: {error}") from error
    made = Pipeline(
        stages=tuple(
            Stage(
                workers=tuple(_worker(one, inbox_frames) for one in stage.workers),
                out_bytes=stage.out_bytes,
            )
            for stage in said.stages
        ),
        links={
            (link.from_, link.to): Link(
                latency_seconds=link.latency_seconds,
                bytes_per_second=link.bytes_per_second,
                jitter_seconds=link.jitter_seconds,
            )
            for link in said.links
        },
        source=said.source,
        sink=said.sink,
        input_bytes=said.input_bytes,
    )
    for problem in _wrong(made):
        raise PlanFileError(file, f"{FIELD}: {problem}")
    return made


def described(pipeline: Pipeline) -> dict[str, Any]:
    """Return a pipeline as a plan's file says it: what `of_tree` reads."""
    plain: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(pipeline, links={}))
    for stage in plain["stages"]:
        for worker in stage["workers"]:
            del worker["inbox_frames"]  # whoever simulates says it
    links = [
        {"from": here, "to": there, **msgspec.to_builtins(link)}
        for (here, there), link in pipeline.links.items()
    ]
    return plain | {"links": links}


def _worker(said: _Worker, inbox_frames: int) -> Worker:
    quota = None
    if said.quota is not None:
        quota = Quota(seconds=said.quota.seconds, period_seconds=said.quota.period_seconds)
    return Worker(
        device=said.device,
        run_seconds=said.run_seconds,
        spread=said.spread,
        receive_seconds=said.receive_seconds,
        send_seconds=said.send_seconds,
        sends_beside=said.sends_beside,
        handling_seconds=said.handling_seconds,
        quota=quota,
        inbox_frames=inbox_frames,
    )


def _wrong(made: Pipeline) -> Iterator[str]:
    workers = [worker for stage in made.stages for worker in stage.workers]
    devices = [worker.device for worker in workers]
    if len(set(devices)) < len(devices):
        yield "a device has two stages"
    for worker in workers:
        if worker.sends_beside and worker.quota is not None:
            yield f"{worker.device!r:.80} has a quota and sends beside: it has no core for that"
    for here, there in ways(made):
        if (here, there) not in made.links:
            yield f"there is no link from {here!r:.80} to {there!r:.80}"
    for (here, there), link in made.links.items():
        if link.jitter_seconds > MOST_JITTER * link.latency_seconds:
            yield f"jitter of {here!r:.80} to {there!r:.80}: at most {MOST_JITTER} latencies"
