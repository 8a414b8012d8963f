"""The dynamic programme of PipeEdge, to compare with: the best throughput in its model of links.

Devices are known by type (times, memory, network card). A state is (operators done, devices of each
type used, next device's type), its value the largest time so far. A transfer takes bytes by the
slower of the two cards' bandwidths; latency, reachability, and the ways from the source and to the
sink are not in the model. So here a device's card has the bandwidth of its fastest link, hosts of a
type are taken in order, and where the result does not fit the real links, it finds nothing.
Memory is that of our instances. It looks at throughput, whatever the goal.

Source: Hu et al., "Pipeline parallelism for inference on heterogeneous edge computing" (2021,
arXiv 2110.14895).
"""

import math
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from fleet.planner.errors import NotAPlanError
from fleet.planner.objective import judge
from fleet.planner.plan import Placement
from fleet.planner.problem import Goal, Problem
from fleet.planner.search import MOST_STATES
from fleet.planner.tables import Floats, Tables, Walk, tables


class PipeEdge:
    """Finds the optimum of PipeEdge's model."""

    def place(self, problem: Problem, goal: Goal) -> Placement:
        """Return stages; see ``Policy``."""
        cards = _cards(problem)
        alike = defaultdict(list)
        for device in problem.devices:
            seconds = tuple(op.seconds.get(device.id) for op in problem.ops)
            room = device.memory_bytes, device.storage_bytes
            alike[seconds, room, cards[device.id]].append(device.id)
        table = tables(problem, tuple(map(tuple, alike.values())))
        cuts = np.array([0.0, *(op.out_bytes for op in problem.ops)])
        bandwidth = np.array([cards[members[0]] for members in table.types])
        sends = cuts / np.minimum(bandwidth[:, None, None], bandwidth[None, :, None])
        stages = table.stages(_best(table, sends))
        try:
            judge(problem, stages, goal)
        except NotAPlanError:
            return Placement(())
        return Placement(stages)


def _cards(problem: Problem) -> dict[str, float]:
    """Return the bandwidth of each device's network card: that of its fastest link."""
    cards = dict.fromkeys(problem.device, 0.0)
    for link in problem.links:
        for end in {link.from_, link.to} & set(cards):
            cards[end] = max(cards[end], link.bytes_per_second)
    return {device: card or math.inf for device, card in cards.items()}


def _best(table: Tables, sends: Floats) -> Walk:
    """Return the best walk where a cut at p keeps cards busy for ``sends[from, to, p]`` seconds."""
    counts = [len(members) for members in table.types]
    strides = [math.prod(n + 1 for n in counts[:kind]) for kind in range(len(counts))]
    sets = math.prod(n + 1 for n in counts)
    if sets * len(counts) * (table.ops + 1) > MOST_STATES:
        return ()
    used = np.arange(sets)
    left = [used // s % (n + 1) < n for s, n in zip(strides, counts, strict=True)]
    value = np.full((len(counts), sets, table.ops + 1), np.inf)
    value[:, 0, 0] = 0.0
    came = np.zeros(value.shape, np.int32)
    """From which position and type, as one number."""
    best, end = math.inf, (0, 0, 0)
    for done in range(table.ops):
        for kind, stride in enumerate(strides):
            rows = np.flatnonzero(left[kind] & np.isfinite(value[kind, :, done]))
            until = int(np.searchsorted(table.first_fit[kind], done, side="right"))
            if not len(rows) or until <= done + 1:
                continue
            span = slice(done + 1, until)
            takes = table.prefix[kind, span] - table.prefix[kind, done]
            cost = np.maximum(value[kind, rows, done, None], takes)
            if until > table.ops and cost[:, -1].min() < best:
                best = float(cost[:, -1].min())
                end = (done, kind, int(rows[cost[:, -1].argmin()]))
            for then in range(len(counts)):
                new = np.maximum(cost, sends[kind, then, span])
                old = value[then, rows + stride, span]
                value[then, rows + stride, span] = np.minimum(old, new)
                older = came[then, rows + stride, span]
                came[then, rows + stride, span] = np.where(
                    new < old, done * len(counts) + kind, older
                )
    return _back(came, strides, end, table.ops) if best < math.inf else ()


def _back(came: NDArray[np.int32], strides: list[int], end: tuple[int, int, int], ops: int) -> Walk:
    """Return the walk whose last stage begins at a position, on a type, behind a set of devices."""
    first, kind, used = end
    walk = [(kind, first, ops)]
    while first:
        before, previous = divmod(int(came[kind, used, first]), len(strides))
        walk.append((previous, before, first))
        first, kind, used = before, previous, used - strides[previous]
    return tuple(reversed(walk))


PLUGIN = PipeEdge
