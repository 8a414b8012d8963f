"""Two devices and one cut: the device that frames come from, and one that helps it.

The first part runs on the source (on any device, where there is none), the second on the best
helper, cut at the best place; or all of it on one of them.

Source: Kang et al., "Neurosurgeon: collaborative intelligence between the cloud and mobile edge"
(ASPLOS 2017), with more than one helper to choose from.
"""

import numpy as np

from fleet.planner.objective import judge
from fleet.planner.plan import Placement, Plan, Stage
from fleet.planner.problem import Goal, Problem
from fleet.planner.single import best_single
from fleet.planner.tables import Floats, Tables, tables


class Neurosurgeon:
    """Looks at every cut between the source and one other device."""

    def place(self, problem: Problem, goal: Goal) -> Placement:
        """Return one stage or two; see ``Policy``."""
        table = tables(problem, tuple((device.id,) for device in problem.devices))
        ids = [device.id for device in problem.devices]
        firsts = [ids.index(problem.source)] if problem.source in ids else range(len(ids))
        plans = [best_single(problem, goal)]
        for first in firsts:
            for second in range(len(ids)):
                values = _values(table, first, second, goal)
                cut = int(values.argmin())
                if np.isfinite(values[cut]):
                    stages = [Stage(ids[first], 0, cut - 1), Stage(ids[second], cut, table.ops - 1)]
                    plans.append(judge(problem, stages, goal))
        found = [plan for plan in plans if plan]
        best: Plan | None = min(found, key=lambda plan: plan.objective_seconds, default=None)
        return Placement(best.stages if best else ())


def _values(table: Tables, first: int, second: int, goal: Goal) -> Floats:
    """Return [n + 1], what a cut at each position gives; infinite where it does not fit."""
    heads = table.prefix[first]
    tails = table.prefix[second, -1] - table.prefix[second]
    transfer = table.transfer[first, second]
    if goal == "latency":
        values = heads + tails + transfer + table.latency[first, second]
        values += table.entry_transfer[first] + table.entry_latency[first]
        values += table.exit_transfer[second] + table.exit_latency[second]
    else:
        ends = max(table.entry_transfer[first], table.exit_transfer[second])
        values = np.maximum.reduce([heads, tails, transfer, np.full_like(heads, ends)])
    positions = np.arange(table.ops + 1)
    fits = (table.first_fit[first] == 0) & (table.first_fit[second, -1] <= positions)
    fits &= (positions > 0) & (positions < table.ops)
    return np.where(fits, values, np.inf)


PLUGIN = Neurosurgeon
