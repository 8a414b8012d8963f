"""Small graphs to cut, drawn at random, and what trying everything finds of them."""

import heapq
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
from hypothesis import strategies as st

from fleet.cuts.choice import SLACK
from fleet.cuts.graph import MAX_BYTES, MAX_TENSORS, CutGraph, Operator, Tensor, cut_graph
from fleet.cuts.places import ALONG_ORDERS

ORDERS_ONLY = ALONG_ORDERS
"""No block is enumerated that has more than one operator."""
SIZES = (0, 1, 2, 5, 50, MAX_BYTES // 2)


@dataclass(frozen=True)
class Case:
    """A graph in some listing, and costs of its operators by id."""

    operators: tuple[Operator, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    tensors: dict[str, Tensor]
    costs: dict[int, float]

    @property
    def graph(self) -> CutGraph:
        """The graph as the search takes it."""
        return cut_graph(self.operators, self.inputs, self.outputs, self.tensors)

    @property
    def ids(self) -> frozenset[int]:
        """All operators."""
        return frozenset(number for operator in self.operators for number in operator.ids)

    def listed(self, wishes) -> "Case":
        """Return the same graph with its operators listed by ``wishes`` wherever they may be."""
        maker = {name: i for i, made in enumerate(self.operators) for name in made.writes}
        waits = [{maker[n] for n in o.reads if n in maker} for o in self.operators]
        ready = [(wishes[i], i) for i, before in enumerate(waits) if not before]
        heapq.heapify(ready)
        order = []
        while ready:
            _, done = heapq.heappop(ready)
            order.append(self.operators[done])
            for index, before in enumerate(waits):
                if done in before:
                    before.remove(done)
                    if not before:
                        heapq.heappush(ready, (wishes[index], index))
        return replace(self, operators=tuple(order))


def case(operators, outputs, costs=None, **sizes) -> Case:
    """Return a graph of ``(reads, writes)``, each a string of names; sizes are 1 unless given."""
    made = tuple(
        Operator((index,), tuple(reads.split()), tuple(writes.split()))
        for index, (reads, writes) in enumerate(operators)
    )
    names = {name: None for operator in made for name in (*operator.reads, *operator.writes)}
    written = {name for operator in made for name in operator.writes}
    return Case(
        operators=made,
        inputs=tuple(name for name in names if name not in written),
        outputs=tuple(outputs.split()),
        tensors={name: Tensor(sizes.get(name, 1), movable=True) for name in names},
        costs=dict(enumerate(costs or [1] * len(made))),
    )


WHOLE = st.integers(0, 9)


@st.composite
def cases(draw, largest=9, costs=WHOLE):
    """Draw a graph: several inputs and outputs, early and late, tensors with many readers."""
    names = [f"in{n}" for n in range(draw(st.integers(1, 3)))]
    inputs = tuple(names)
    operators = []
    for index in range(draw(st.integers(1, largest))):
        near = names[-draw(st.sampled_from([1, 2, 3, 99])) :]
        reads = draw(st.lists(st.sampled_from(near), min_size=1, max_size=3, unique=True))
        writes = tuple(f"t{index}.{n}" for n in range(draw(st.sampled_from([1, 1, 1, 2]))))
        operators.append(Operator((10 * index + 3,), tuple(reads), writes))
        names += writes
    made = names[len(inputs) :]
    outputs = draw(st.lists(st.sampled_from(made), min_size=1, max_size=3, unique=True))
    outputs += draw(st.sampled_from([[], [], [], [inputs[0]]]))
    needed, kept = set(outputs), []
    for operator in reversed(operators):
        if needed.intersection(operator.writes):
            needed.update(operator.reads)
            kept.append(operator)
    sizes = st.builds(Tensor, st.sampled_from(SIZES), st.sampled_from([True] * 9 + [False]))
    return Case(
        operators=tuple(reversed(kept)),
        inputs=inputs,
        outputs=tuple(outputs),
        tensors={name: draw(sizes) for name in names},
        costs={operator.ids[0]: draw(costs) for operator in kept},
    )


def downsets(graph: Case) -> dict[frozenset[int], tuple[int, int, int]]:
    """Return all downsets, by ids, and of each: bytes, tensors, and how many cannot travel."""
    maker = {name: o.ids[0] for o in graph.operators for name in o.writes}
    before = {o.ids[0]: {maker[n] for n in o.reads if n in maker} for o in graph.operators}
    found = [frozenset()]
    for number, needed in before.items():  # in a topological order
        found += [held | {number} for held in found if needed <= held]
    return {held: _frontier(graph, held) for held in found}


def _frontier(graph: Case, held: frozenset[int]) -> tuple[int, int, int]:
    exist = {name for o in graph.operators if o.ids[0] in held for name in o.writes}
    needed = {name for o in graph.operators if o.ids[0] not in held for name in o.reads}
    crossing = (exist | set(graph.inputs)) & (needed | set(graph.outputs))
    return (
        sum(graph.tensors[name].size_bytes for name in crossing),
        len(crossing),
        sum(not graph.tensors[name].movable for name in crossing),
    )


def valid(graph: Case) -> dict[frozenset[int], tuple[int, int]]:
    """Return the downsets where a cut may be, and of each: bytes and tensors."""
    return {
        held: (size_bytes, tensors)
        for held, (size_bytes, tensors, stuck) in downsets(graph).items()
        if frozenset() < held < graph.ids
        and not stuck
        and tensors <= MAX_TENSORS
        and size_bytes <= MAX_BYTES
    }


def best(graph: Case, places, segments: int) -> tuple[int, int, float] | None:
    """Return bytes, tensors and slowest cost of the best chain of ``places``; None without one."""
    scores = [
        (
            sum(places[held][0] for held in chain),
            sum(places[held][1] for held in chain),
            max(
                sum(graph.costs[number] for number in after - before)
                for before, after in pairwise([frozenset(), *chain, graph.ids])
            ),
        )
        for chain in _chains(sorted(places, key=len), segments - 1)
    ]
    if not scores or not graph.ids:
        return None
    limit = min(slowest for _, _, slowest in scores) * SLACK * (1 + 1e-9)
    return min(score for score in scores if score[2] <= limit)


def _chains(places, length):
    if not length:
        return [[]]
    return [
        [*chain, held]
        for index, held in enumerate(places)
        for chain in _chains([other for other in places[:index] if other < held], length - 1)
    ]


def longest(graph: Case, places) -> int:
    """Return the largest number of segments."""
    length: dict[frozenset[int], int] = {}
    for held in sorted([*places, graph.ids] if graph.ids else [], key=len):
        length[held] = 1 + max((length[other] for other in length if other < held), default=0)
    return length.get(graph.ids, 0)


def objective(choice):
    """Return what a choice comes to: bytes, tensors and slowest cost."""
    if choice is None:
        return None
    return choice.crossing_bytes, choice.crossing_tensors, choice.slowest_cost


def near(score):
    """Return bytes and tensors as they are, and the slowest cost up to rounding."""
    return score and (score[0], score[1], pytest.approx(score[2]))


def places_of(space):
    """Return the places of a space, both ends left out, as sets and what crosses there."""
    return {
        space.before(place): (int(space.size_bytes[place]), int(space.tensors[place]))
        for place in range(1, len(space.places))
        if place != space.end
    }


def members(chains, number):
    """Return the operators of a downset, counted from the block's first."""
    found = set()
    while number:
        found.add(chains.added[number])
        number = chains.parents[number]
    return frozenset(found)
