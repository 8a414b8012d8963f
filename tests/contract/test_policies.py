"""Every placement policy, found by itself, places what fits, and never better than the best."""

import pytest

from fleet.planner.objective import judge
from fleet.planner.planning import POLICIES
from tests.unit.fleet.planner.instances import brute_force, random_problem
from wire import plugins

NAMES = plugins.names(POLICIES)


@pytest.mark.parametrize("name", NAMES)
def test_a_policys_plan_fits_and_is_no_better_than_the_best(name):
    """Or it finds nothing; of sixty random problems it solves some."""
    policy = plugins.load(POLICIES, name)()
    found = 0
    for seed in range(60):
        problem = random_problem(seed, most_ops=7)
        best = brute_force(problem)
        for goal in ("throughput", "latency"):
            placement = policy.place(problem, goal)
            if placement.stages:
                found += 1
                plan = judge(problem, placement.stages, goal)
                assert plan.objective_seconds >= best[goal] * (1 - 1e-9), (seed, goal)
            if placement.bound_seconds is not None:
                assert placement.bound_seconds <= best[goal] * (1 + 1e-9), (seed, goal)
    assert found > 10


@pytest.mark.parametrize("name", NAMES)
def test_a_policy_takes_one_operator_on_one_device(name):
    """The smallest problem there is."""
    problem = random_problem(0, most_ops=1, most_devices=1, fewest_devices=1, limited=False)

    placement = plugins.load(POLICIES, name)().place(problem, "latency")

    assert [(stage.first, stage.last) for stage in placement.stages] == [(0, 0)]
