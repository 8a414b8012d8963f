"""By memory alone: each device gets the share of the weights that it has of all memory.

What popular tools do: devices in the order of their memory, largest first, and the chain cut in
proportion to it. Neither speed nor links are looked at; where the cut does not fit after all, it
finds nothing.

Source: the ring partitioning by memory of exo, and the tensor split of llama.cpp.
"""

from itertools import accumulate, groupby

from fleet.planner.errors import NotAPlanError
from fleet.planner.objective import judge
from fleet.planner.plan import Placement, Stage
from fleet.planner.problem import Goal, Problem


class MemoryProportional:
    """Cuts the chain in proportion to memory."""

    def place(self, problem: Problem, goal: Goal) -> Placement:
        """Return stages; see ``Policy``."""
        sizes = [max(op.weight_bytes, 1) for op in problem.ops]
        total = sum(sizes)
        memory = {
            d.id: total if d.memory_bytes is None else d.memory_bytes for d in problem.devices
        }
        order = sorted(memory, key=lambda id_: -memory[id_])
        shares = list(accumulate(memory[id_] / sum(memory.values()) for id_ in order))
        middles = [
            (end - size / 2) / total for end, size in zip(accumulate(sizes), sizes, strict=True)
        ]
        owners = [
            next(
                (id_ for id_, share in zip(order, shares, strict=True) if middle <= share),
                order[-1],
            )
            for middle in middles
        ]
        stages = []
        for owner, run in groupby(range(len(owners)), key=owners.__getitem__):
            indexes = list(run)
            stages.append(Stage(owner, indexes[0], indexes[-1]))
        try:
            judge(problem, stages, goal)
        except NotAPlanError:
            return Placement(())
        return Placement(tuple(stages))


PLUGIN = MemoryProportional
