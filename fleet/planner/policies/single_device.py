"""Everything on one device, the best one for the goal."""

from fleet.planner.plan import Placement
from fleet.planner.problem import Goal, Problem
from fleet.planner.single import best_single


class SingleDevice:
    """Places the whole chain on one device."""

    def place(self, problem: Problem, goal: Goal) -> Placement:
        """Return one stage; see ``Policy``."""
        found = best_single(problem, goal)
        return Placement(found.stages if found else ())


PLUGIN = SingleDevice
