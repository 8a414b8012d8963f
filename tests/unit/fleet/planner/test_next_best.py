"""The next best plans, against all plans there are."""

from itertools import combinations, islice, permutations

import pytest

from fleet.planner import next_best
from fleet.planner.errors import NotAPlanError
from fleet.planner.objective import judge
from fleet.planner.plan import Stage
from tests.unit.fleet.planner.instances import random_problem


def every_split(problem, goal):
    """Return the objective of every plan of two stages or more, by its stages."""
    found, size = {}, len(problem.ops)
    for count in range(2, min(size, len(problem.devices)) + 1):
        for cuts in combinations(range(1, size), count - 1):
            edges = [0, *cuts, size]
            for order in permutations([device.id for device in problem.devices], count):
                stages = tuple(
                    Stage(order[at], edges[at], edges[at + 1] - 1) for at in range(count)
                )
                try:
                    found[stages] = judge(problem, stages, goal).objective_seconds
                except NotAPlanError:
                    continue
    return found


@pytest.mark.parametrize("goal", ["throughput", "latency"])
def test_splits_come_in_their_order(goal):
    """Of 40 random problems the first eight are the eight best, and none comes twice."""
    for seed in range(40):
        problem = random_problem(seed, most_ops=6, most_devices=3)
        every = every_split(problem, goal)

        found = list(islice(next_best.splits([problem], goal, "exact"), 8))

        expected = sorted(every.values())[:8]
        assert [plan.objective_seconds for plan in found] == pytest.approx(expected), seed
        assert len({plan.stages for plan in found}) == len(found)


def test_all_splits_come():
    """Asked for more than there are, it yields every one and ends."""
    problems = [random_problem(seed, most_ops=5, most_devices=3) for seed in range(20)]
    problem = max(problems, key=lambda one: len(every_split(one, "latency")))

    found = {plan.stages for plan in next_best.splits([problem], "latency", "exact")}

    assert found == set(every_split(problem, "latency"))
    assert len(found) > 20
