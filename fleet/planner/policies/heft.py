"""A list scheduler in the manner of HEFT: each operator goes where it is finished first.

HEFT takes tasks by rank and puts each on the processor with the earliest finish, time to send
included. Along a chain the rank is the chain's order. A device that was left is not gone back to,
since each has one stage. It looks at latency, whatever the goal, and never takes a choice back.

Source: Topcuoglu, Hariri and Wu, "Performance-effective and low-complexity task scheduling for
heterogeneous computing" (IEEE Transactions on Parallel and Distributed Systems 13, 2002).
"""

import numpy as np

from fleet.planner.plan import Placement, Stage
from fleet.planner.problem import Goal, Problem
from fleet.planner.tables import tables


class Heft:
    """Places operators one by one by the earliest finish."""

    def place(self, problem: Problem, goal: Goal) -> Placement:  # noqa: ARG002
        """Return stages; see ``Policy``."""
        table = tables(problem, tuple((device.id,) for device in problem.devices))
        devices = range(len(problem.devices))
        free = np.ones(len(devices), bool)
        stages: list[tuple[int, int]] = []  # device and first operator
        arrives = table.entry_transfer + table.entry_latency  # on each device, if it goes there
        for index in range(table.ops):
            takes = table.prefix[:, index + 1] - table.prefix[:, index]
            begins = np.where(free, index, table.ops)
            if stages:
                begins[stages[-1][0]] = stages[-1][1]
            finishes = np.where(table.first_fit[:, index + 1] <= begins, arrives + takes, np.inf)
            finishes[begins > index] = np.inf
            if index == table.ops - 1:
                finishes += table.exit_transfer + table.exit_latency
            chosen = int(finishes.argmin())
            if np.isinf(finishes[chosen]):
                return Placement(())
            if not stages or stages[-1][0] != chosen:
                stages.append((chosen, index))
                free[chosen] = False
            arrives = (
                finishes[chosen] + table.transfer[chosen, :, index + 1] + table.latency[chosen]
            )
            arrives[chosen] = finishes[chosen]
        ends = [first - 1 for _, first in stages[1:]] + [table.ops - 1]
        return Placement(
            tuple(
                Stage(problem.devices[device].id, first, end)
                for (device, first), end in zip(stages, ends, strict=True)
            )
        )


PLUGIN = Heft
