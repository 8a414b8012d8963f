"""From a plan of a problem to the pipeline that would be deployed."""

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise, product

from fleet.planner.errors import NotAPlanError
from fleet.planner.objective import timing
from fleet.planner.plan import Stage, describes
from fleet.planner.problem import Problem
from fleet.simulator import pipeline
from fleet.simulator.pipeline import INBOX_FRAMES, Link, Pipeline, Worker


def built(problem: Problem, stages: Sequence[Stage], inbox_frames: int = INBOX_FRAMES) -> Pipeline:
    """Return the pipeline. Neighbours with the same operators are replicas of one stage.

    Args:
        problem: What was planned.
        stages: The plan.
        inbox_frames: What each worker grants.

    Raises:
        NotAPlanError: They do not cover the chain, do not fit, or do not reach each other.
    """
    groups = [list(group) for _, group in groupby(stages, key=lambda s: (s.first, s.last))]
    if len({stage.device for stage in stages}) < len(stages):
        raise NotAPlanError(describes(stages), "a device has two stages")
    seconds: dict[str, float] = {}
    for turn in range(max(map(len, groups), default=1)):
        chain = [group[turn % len(group)] for group in groups]  # each device is in one of them
        times = timing(problem, chain).stage_seconds
        seconds |= {stage.device: time for stage, time in zip(chain, times, strict=True)}
    made = Pipeline(
        stages=tuple(
            pipeline.Stage(
                workers=tuple(
                    Worker(
                        device=stage.device,
                        run_seconds=seconds[stage.device],
                        inbox_frames=inbox_frames,
                    )
                    for stage in group
                ),
                out_bytes=problem.output_bytes
                if group[0].last == len(problem.ops) - 1
                else problem.ops[group[0].last].out_bytes,
            )
            for group in groups
        ),
        links={
            ends: Link(latency_seconds=link.latency_seconds, bytes_per_second=link.bytes_per_second)
            for ends, link in problem.link.items()
        },
        source=problem.source,
        sink=problem.sink,
        input_bytes=problem.input_bytes,
    )
    for here, there in ways(made):
        if (here, there) not in made.links:
            raise NotAPlanError(describes(stages), f"there is no link from {here} to {there}")
    return made


def ways(made: Pipeline) -> Iterator[tuple[str, str]]:
    """Yield from which device to which frames and results go, in the order of their way."""
    places: list[Sequence[str | None]] = [
        [made.source],
        *[[worker.device for worker in stage.workers] for stage in made.stages],
        [made.sink],
    ]
    for senders, receivers in pairwise(places):
        for here, there in product(senders, receivers):
            if here is not None and there is not None and here != there:
                yield here, there
