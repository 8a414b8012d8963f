"""A graph as the search for cuts sees it: who makes and who reads each tensor, and how large it is.

A cut is a *downset*: a set of operators that holds, with each operator, all that it depends on.
What crosses the cut is its *frontier*: the tensors that exist once the downset has run and are
still needed, inputs of the graph that are read later and outputs that are ready early included.

Pure: no I/O.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

MAX_TENSORS: Final = 128
MAX_BYTES: Final = 128 << 20
"""Across one cut: half of what one frame may hold, since a golden frame holds two cuts."""
INPUT: Final = -1
"""Stands for the maker of a tensor that is given."""


class Frontier(NamedTuple):
    """What crosses one cut, or what one operator changes of it."""

    size_bytes: int = 0
    tensors: int = 0
    stuck: int = 0
    """How many of the tensors cannot travel."""

    @property
    def valid(self) -> bool:
        """Whether it can travel, in one frame."""
        return not self.stuck and self.tensors <= MAX_TENSORS and self.size_bytes <= MAX_BYTES

    def plus(self, other: Self) -> "Frontier":
        """Return this with ``other`` added."""
        return Frontier(self[0] + other[0], self[1] + other[1], self[2] + other[2])

    def minus(self, other: Self) -> "Frontier":
        """Return this with ``other`` taken away."""
        return Frontier(self[0] - other[0], self[1] - other[1], self[2] - other[2])


NOTHING: Final = Frontier()


class Operator(NamedTuple):
    """An operator that may be on either side of a cut, or several that stay on the same side."""

    ids: tuple[int, ...]
    """The caller's own numbers."""
    reads: tuple[str, ...]
    """Each once; names that nobody makes, such as weights, do not count."""
    writes: tuple[str, ...]


class Tensor(NamedTuple):
    """What is known of one tensor."""

    size_bytes: int
    movable: bool
    """Whether a tensor of its type may cross a cut."""


UNKNOWN: Final = Tensor(0, movable=False)


class Wire(NamedTuple):
    """One tensor that somebody needs."""

    name: str
    maker: int
    """Index of the operator that makes it, or ``INPUT``."""
    readers: tuple[int, ...]
    """Indices of the operators that read it, ascending."""
    kept: bool
    """Whether it is an output, and so needed to the end."""
    load: Frontier
    """What it adds to a frontier."""


@dataclass(frozen=True, slots=True)
class CutGraph:
    """Operators in a topological order, by index, and the tensors between them."""

    ids: tuple[tuple[int, ...], ...]
    """Of each operator: the caller's numbers."""
    wires: tuple[Wire, ...]
    reads: tuple[tuple[int, ...], ...]
    """Of each operator: indices of wires."""
    writes: tuple[tuple[int, ...], ...]
    outputs: tuple[int, ...]
    """Wires that are outputs, in the graph's order."""
    before: tuple[frozenset[int], ...]
    """Of each operator: those whose tensors it reads."""
    after: tuple[tuple[int, ...], ...]
    """Of each operator: those that read its tensors, ascending."""


def cut_graph(
    operators: Sequence[Operator],
    inputs: Iterable[str],
    outputs: Iterable[str],
    tensors: Mapping[str, Tensor],
) -> CutGraph:
    """Return the graph of ``operators``, given in a topological order.

    A tensor that ``tensors`` does not know cannot travel.
    """
    maker = dict.fromkeys(inputs, INPUT)
    readers: dict[str, list[int]] = {}
    for index, operator in enumerate(operators):
        maker.update(dict.fromkeys(operator.writes, index))
        for name in operator.reads:
            readers.setdefault(name, []).append(index)
    kept = [name for name in dict.fromkeys(outputs) if name in maker]
    needed = {*readers, *kept}
    names = [name for name in maker if name in needed]
    number = {name: place for place, name in enumerate(names)}
    reads = [[number[name] for name in operator.reads if name in number] for operator in operators]
    ends = set(kept)
    wires = tuple(
        Wire(name, maker[name], tuple(readers.get(name, ())), name in ends, _load(name, tensors))
        for name in names
    )
    before = [frozenset(wires[wire].maker for wire in taken) - {INPUT} for taken in reads]
    after: list[list[int]] = [[] for _ in operators]
    for index, makers in enumerate(before):
        for earlier in makers:
            after[earlier].append(index)
    return CutGraph(
        ids=tuple(operator.ids for operator in operators),
        wires=wires,
        reads=tuple(map(tuple, reads)),
        writes=tuple(
            tuple(number[name] for name in operator.writes if name in number)
            for operator in operators
        ),
        outputs=tuple(number[name] for name in kept),
        before=tuple(before),
        after=tuple(map(tuple, after)),
    )


def _load(name: str, tensors: Mapping[str, Tensor]) -> Frontier:
    known = tensors.get(name, UNKNOWN)
    return Frontier(known.size_bytes, 1, 0 if known.movable else 1)
