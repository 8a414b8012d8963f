"""Agents that share one machine's cores, and what that makes of a plan. Pure.

A planner takes each device for a machine of its own. The demo's agents compute with one thread
each, and all of them, the broker and the client have this machine's cores together. A core does one
thing at a time, so however a model is placed, a frame keeps the cores busy for all the processor
time that it takes, by their number; and no stage is faster than its one thread.
"""

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from msgspec.structs import replace

from fleet.model_plan.candidate import Candidate
from fleet.simulator.pipeline import Pipeline

HOP_SECONDS: Final = 0.0005
HOP_SECONDS_PER_BYTE: Final = 0.8e-9
"""What a frame takes through a broker on the same host: processor time of all three, and about as
long until it is there. Source: docs/benchmarks.md, one hop with 64 KB, 600 KB and 3 MB."""


def work_seconds(found: Candidate) -> float:
    """Return the processor time of one frame: of its stages and of its hops."""
    hops = (h.share * (HOP_SECONDS + HOP_SECONDS_PER_BYTE * h.raw_bytes) for h in found.hops)
    return found.compute_seconds + math.fsum(hops)


def period_seconds(found: Candidate, cores: float) -> float:
    """Return how long a frame keeps the busiest of stages, links and all cores together.

    Args:
        found: Stages, as they are on machines of their own.
        cores: What others leave of them.
    """
    return max(found.period_seconds, work_seconds(found) / cores)


def on_shared_cores(pipeline: Pipeline, found: Candidate, cores: float, window: int) -> Pipeline:
    """Return a candidate's pipeline with stages as slow as they are beside each other.

    No more of them compute at once than frames are in flight.
    """
    full = period_seconds(found, cores) / found.period_seconds
    slower = min(full, max(1.0, window / cores))
    return replace(
        pipeline,
        stages=tuple(
            replace(
                stage,
                workers=tuple(
                    replace(worker, run_seconds=worker.run_seconds * slower)
                    for worker in stage.workers
                ),
            )
            for stage in pipeline.stages
        ),
    )


def narrowest(
    seconds: Sequence[float], sizes: Sequence[int], count: int, longest_seconds: float
) -> list[tuple[int, int]] | None:
    """Return the first and last block of each stage, so that the fewest bytes cross the cuts.

    Args:
        seconds: Of each block.
        sizes: What a frame carries behind it.
        count: How many stages.
        longest_seconds: No stage takes longer.

    Returns:
        None: there is no such way to cut.
    """
    ends = len(seconds)
    until = [0.0, *accumulate(seconds)]
    best: list[float] = [0.0] + [math.inf] * ends  # bytes up to there; the first stage begins at 0
    ways: list[list[int]] = []
    for _ in range(count):
        here, came = [math.inf] * (ends + 1), [0] * (ends + 1)
        for end in range(1, ends + 1):
            for begin in range(end - 1, -1, -1):
                if until[end] - until[begin] > longest_seconds:
                    break
                if best[begin] < here[end]:
                    here[end], came[end] = best[begin], begin
            here[end] += sizes[end - 1] if end < ends else 0
        best = here
        ways.append(came)
    if best[ends] == math.inf:
        return None
    ranges: list[tuple[int, int]] = []
    end = ends
    for came in reversed(ways):
        ranges.append((came[end], end - 1))
        end = came[end]
    return ranges[::-1]
