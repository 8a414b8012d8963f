"""What stages on devices are worth: the one judge of every policy's plan, and of tests.

A stage's time is the sum of its operators' times on its device. A hop's time is the link's latency
and its *transfer*, bytes by bandwidth. For throughput a plan is as slow as the busiest of all
resources, devices (stages) and links (transfers; latency delays a frame and keeps nothing busy).
For latency it takes the sum of all stages and hops. Compute and links overlap: a device sends one
frame while it computes the next.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from fleet.planner.errors import GoalUnsupportedError, NotAPlanError
from fleet.planner.plan import Plan, Stage, describes
from fleet.planner.problem import Goal, Op, Problem


@dataclass(frozen=True, slots=True)
class Hop:
    """What travels between two devices, and how long that takes."""

    from_: str
    to: str
    size_bytes: int
    latency_seconds: float
    transfer_seconds: float

    @property
    def seconds(self) -> float:
        """Return how long a frame is on its way."""
        return self.latency_seconds + self.transfer_seconds


@dataclass(frozen=True, slots=True)
class Timing:
    """How long each part of a plan takes for one frame."""

    stage_seconds: tuple[float, ...]
    hops: tuple[Hop, ...]
    """From the source if there is one, between stages, to the sink if there is one; a device to
    itself is no hop."""

    def objective_seconds(self, goal: Goal) -> float:
        """Return what is to be small.

        Raises:
            GoalUnsupportedError: Times alone do not say it.
        """
        if goal == "throughput":
            return max([*self.stage_seconds, *(hop.transfer_seconds for hop in self.hops)])
        if goal == "latency":
            return math.fsum([*self.stage_seconds, *(hop.seconds for hop in self.hops)])
        raise GoalUnsupportedError(goal, "an instance has no joules and no money")


def judge(problem: Problem, stages: Sequence[Stage], goal: Goal) -> Plan:
    """Return the stages as a plan, with what they are worth.

    Raises:
        NotAPlanError: They do not cover the chain, do not fit, or do not reach each other.
    """
    return Plan(tuple(stages), timing(problem, stages).objective_seconds(goal))


def timing(problem: Problem, stages: Sequence[Stage]) -> Timing:
    """Return how long each stage and each hop takes.

    Raises:
        NotAPlanError: They do not cover the chain, do not fit, or do not reach each other.
    """
    _check_cover(problem, stages)
    seconds = tuple(_stage_seconds(problem, stage, stages) for stage in stages)
    return Timing(seconds, tuple(_hops(problem, stages)))


def memory_bytes(ops: Sequence[Op]) -> int:
    """Return what a stage of these operators needs: all weights and the largest activation."""
    return sum(op.weight_bytes for op in ops) + max(op.activation_bytes for op in ops)


def _check_cover(problem: Problem, stages: Sequence[Stage]) -> None:
    ends = [-1, *(stage.last for stage in stages)]
    starts = [*(stage.first for stage in stages), len(problem.ops)]
    if [end + 1 for end in ends] != starts or any(s.first > s.last for s in stages):
        raise NotAPlanError(describes(stages), f"they are not all of {len(problem.ops)} operators")
    devices = [stage.device for stage in stages]
    if len(set(devices)) < len(devices):
        raise NotAPlanError(describes(stages), "a device has two stages")
    if unknown := set(devices) - set(problem.device):
        raise NotAPlanError(describes(stages), f"there is no device {min(unknown)!r:.80}")


def _stage_seconds(problem: Problem, stage: Stage, stages: Sequence[Stage]) -> float:
    ops = problem.ops[stage.first : stage.last + 1]
    for op in ops:
        if stage.device not in op.seconds:
            reason = f"{stage.device} cannot run operator {op.name!r:.80}"
            raise NotAPlanError(describes(stages), reason)
    device = problem.device[stage.device]
    needed, limit = memory_bytes(ops), device.memory_bytes
    if limit is not None and needed > limit:
        reason = f"{stage.device} would need {needed} bytes of memory (it has {limit})"
        raise NotAPlanError(describes(stages), reason)
    weights, stored = sum(op.weight_bytes for op in ops), device.storage_bytes
    if stored is not None and weights > stored:
        reason = f"{stage.device} would store {weights} bytes of weights (it may {stored})"
        raise NotAPlanError(describes(stages), reason)
    return math.fsum(op.seconds[stage.device] for op in ops)


def _hops(problem: Problem, stages: Sequence[Stage]) -> list[Hop]:
    ways = [
        (problem.source, stages[0].device, problem.input_bytes),
        *(
            (here.device, there.device, problem.ops[here.last].out_bytes)
            for here, there in pairwise(stages)
        ),
        (stages[-1].device, problem.sink, problem.output_bytes),
    ]
    hops = []
    for from_, to, size in ways:
        if from_ is None or to is None or from_ == to:
            continue
        link = problem.link.get((from_, to))
        if link is None:
            raise NotAPlanError(describes(stages), f"there is no link from {from_} to {to}")
        hops.append(Hop(from_, to, size, link.latency_seconds, link.transfer_seconds(size)))
    return hops
