"""Plans of two stages or more, the best first, each another one than all before. Pure.

All plans are parted into sets that hold no plan twice, and the best of each set is known. Whenever
the best of all is taken, what is left of its set is parted: the plans whose first stage is another
one; those with the same first stage and another second one; and so on. Another stage is on another
device, or ends earlier, or later. All of that is said by which device may run which operator, so
each set is a problem like any other. Where the policy is exact, so is the order.

Source: E. L. Lawler, "A procedure for computing the K best solutions to discrete optimization
problems", Management Science 18 (1972).
"""

from collections.abc import Iterator, Mapping, Sequence
from heapq import heappop, heappush
from itertools import count

import msgspec

from fleet.planner.objective import judge
from fleet.planner.plan import Plan, Stage
from fleet.planner.planning import load
from fleet.planner.policies import Policy
from fleet.planner.problem import Goal, Op, Problem


def splits(problems: Sequence[Problem], goal: Goal, policy: str) -> Iterator[Plan]:
    """Yield plans of two stages or more.

    Args:
        problems: One; or several that differ in the devices that may run anything. Then a plan of
            more than one of them comes more than once.
        goal: ``throughput`` or ``latency``.
        policy: Who plans.
    """
    planner, numbers = load(policy), count()
    open_: list[tuple[float, int, Plan, Problem]] = []

    def add(part: Problem) -> None:
        if (plan := _best(part, goal, planner)) is not None:
            heappush(open_, (plan.objective_seconds, next(numbers), plan, part))

    for problem in problems:
        add(problem)
    while open_:
        _, _, plan, part = heappop(open_)
        yield plan
        for rest in _without(part, plan.stages):
            add(rest)


def _best(problem: Problem, goal: Goal, planner: Policy) -> Plan | None:
    if not all(op.seconds for op in problem.ops):
        return None
    placement = planner.place(problem, goal)
    found = [one for one in (placement.stages, *placement.others) if len(one) > 1]
    plans = [judge(problem, stages, goal) for stages in found]
    return min(plans, key=lambda plan: plan.objective_seconds, default=None)


def _without(problem: Problem, stages: Sequence[Stage]) -> Iterator[Problem]:
    """Yield problems that have all plans of this one but ``stages``, each of them in one."""
    end = len(problem.ops) - 1
    fixed: dict[int, str] = {}
    before: set[str] = set()
    for stage in stages:
        device, first, last = stage.device, stage.first, stage.last
        yield _restricted(problem, fixed, {first: {device, *before}})
        if first < last:
            yield _restricted(problem, {**fixed, first: device}, {last: {device}})
        fixed.update(dict.fromkeys(range(first, last + 1), device))
        if last < end:
            yield _restricted(problem, {**fixed, last + 1: device}, {})
        before = {device}


def _restricted(
    problem: Problem, fixed: Mapping[int, str], kept_off: Mapping[int, set[str]]
) -> Problem:
    """Return the problem with operators that must be on a device, and some that must not."""
    ops = list(problem.ops)
    for place, device in fixed.items():
        ops[place] = _with(ops[place], {device} & ops[place].seconds.keys())
    for place, devices in kept_off.items():
        ops[place] = _with(ops[place], ops[place].seconds.keys() - devices)
    return msgspec.structs.replace(problem, ops=tuple(ops))


def _with(op: Op, devices: set[str]) -> Op:
    return msgspec.structs.replace(
        op, seconds={d: s for d, s in op.seconds.items() if d in devices}
    )
