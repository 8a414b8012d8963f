"""Placement policies: how stages are placed on devices; one file each.

To add one: write ``fleet/planner/policies/<name>.py`` with a class that fits ``Policy`` and
``PLUGIN = ThatClass``; ``paceline plan --policy <name>`` finds it. Whatever it places is judged by
``fleet/planner/objective.py``; a contract test holds every policy to plans that fit.
"""

from typing import Protocol

from fleet.planner.plan import Placement
from fleet.planner.problem import Goal, Problem


class Policy(Protocol):
    """Places the operators of a problem."""

    def place(self, problem: Problem, goal: Goal) -> Placement:
        """Return stages that fit, or none where it finds none; ``goal`` is throughput or latency.

        It may look at the objective, or, like what it imitates, at memory alone.
        """
        ...
