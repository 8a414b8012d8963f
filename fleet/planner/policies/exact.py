"""The best plan, proven; with many devices a good one, and how far from the best it may be.

See docs/planner.md.
"""

import math

from fleet.planner import many, search
from fleet.planner.objective import judge
from fleet.planner.plan import Placement
from fleet.planner.problem import Goal, Problem
from fleet.planner.single import best_single


class Exact:
    """Finds the best of all plans."""

    def place(self, problem: Problem, goal: Goal) -> Placement:
        """Return the best plan, the best split beside it, and a bound; see ``Policy``."""
        split = search.best(problem, goal, 2) or many.good(problem, goal, 2)
        single = best_single(problem, goal)
        plans = [single] if single else []
        if split.stages:
            plans.append(judge(problem, split.stages, goal))
        plans.sort(key=lambda plan: plan.objective_seconds)  # of equals the single device is first
        bound = min(split.bound_seconds, single.objective_seconds if single else math.inf)
        first, *others = [plan.stages for plan in plans] or [()]
        return Placement(first, bound, tuple(others))


PLUGIN = Exact
