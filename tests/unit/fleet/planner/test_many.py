"""Plans for more devices than sets of them can be told apart."""

import math

import pytest

from fleet.planner import many, planning, search
from fleet.planner.objective import judge
from fleet.planner.problem import Op, Problem
from tests.unit.fleet.planner.instances import random_problem

GOALS = ("throughput", "latency")


@pytest.mark.parametrize("goal", GOALS)
def test_the_bound_bounds_and_the_plan_fits(goal):
    """Where the best is known, the bound is never above it and the plan never below it."""
    seen = 0
    for seed in range(15):
        problem = random_problem(seed, most_ops=12, most_devices=4)
        best = search.best(problem, goal, 2).bound_seconds

        found = many.good(problem, goal, 2)

        assert found.bound_seconds <= best * (1 + 1e-9), seed
        if found.stages:
            seen += 1
            plan = judge(problem, found.stages, goal)
            assert plan.objective_seconds >= best * (1 - 1e-9), seed
            assert len(found.stages) >= 2
    assert seen > 5


@pytest.mark.parametrize("goal", GOALS)
def test_twenty_devices_get_a_plan_and_a_gap_between_nothing_and_all(goal):
    """The answer says that it may not be the best, and by how much at most."""
    problem = random_problem(3, most_ops=40, most_devices=20, fewest_devices=20, limited=True)

    answer = planning.plan(problem, goal)

    assert answer.plan
    assert answer.gap is not None
    assert 0 <= answer.gap < 0.5
    assert answer.optimal == (answer.gap == 0)


def test_what_no_device_of_many_can_run_is_infeasible_for_sure():
    """The relaxed space, too, knows that an operator runs nowhere."""
    problem = random_problem(5, most_ops=30, most_devices=20, fewest_devices=20)
    broken = (*problem.ops[:-1], Op(name="nowhere", seconds={}))
    problem = Problem(ops=broken, devices=problem.devices, links=problem.links)

    answer = planning.plan(problem, "throughput")

    assert answer.verdict == "infeasible"
    assert answer.optimal
    assert "nowhere" in answer.shortage.nearest_change
    assert many.good(problem, "latency", 2).bound_seconds == math.inf
