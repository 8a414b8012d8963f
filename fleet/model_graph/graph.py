"""What a cut must know of a graph, whatever its format: who makes and who reads each tensor.

What is computed from weights alone is *constant*: it never crosses a cut, each segment computes
what it uses. Operators that no output depends on are left out.

Pure: no I/O.
"""

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from fleet.model_graph.facts import TensorFacts
from wire.model.errors import ModelMalformedError

Node = TypeVar("Node")
"""What a format's own reader calls an operator."""


@dataclass(frozen=True)
class Operator(Generic[Node]):
    """One operator, whole."""

    node: Node
    reads: tuple[str, ...]
    """Inputs, and what graphs inside it take from outside; each once."""
    writes: tuple[str, ...]
    constant: bool
    """Whether it depends on weights alone."""
    kind: str = ""
    """As the format spells it, such as ``Conv`` or ``CONV_2D``."""
    name: str = ""
    """In the file; empty where it has none."""


class Found(NamedTuple, Generic[Node]):
    """An operator as a reader finds it in a file."""

    node: Node
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    varies: bool
    """Whether it may give another value each time it runs, whatever it reads."""
    kind: str
    name: str = ""


Rule = Callable[[Operator[Node], Mapping[str, TensorFacts]], int | None]
"""How much work an operator is; None: there is no rule for it."""


@dataclass(frozen=True)
class Graph(Generic[Node]):
    """A graph's operators in topological order, those that outputs depend on."""

    operators: tuple[Operator[Node], ...]
    maker: Mapping[str, int]
    """Index of the operator that writes a tensor."""
    inputs: tuple[str, ...]
    """Without those that weights give a value."""
    outputs: tuple[str, ...]
    initializers: frozenset[str]
    """Weights."""
    rule: Rule[Node]

    @property
    def moving(self) -> tuple[int, ...]:
        """Indices of the operators that are not constant, in order."""
        return tuple(i for i, operator in enumerate(self.operators) if not operator.constant)

    def is_constant(self, tensor: str) -> bool:
        """Whether ``tensor`` depends on weights alone."""
        if tensor in self.initializers:
            return True
        return tensor in self.maker and self.operators[self.maker[tensor]].constant

    def rank(self, tensor: str) -> tuple[int, int]:
        """Return a sort key: inputs first, then the order in which tensors are made."""
        if tensor in self.maker:
            index = self.maker[tensor]
            return index, self.operators[index].writes.index(tensor)
        return -1, self.inputs.index(tensor)

    def work(self, index: int, facts: Mapping[str, TensorFacts]) -> int | None:
        """Return the multiply-accumulates of an operator; None: there is no rule for it."""
        return self.rule(self.operators[index], facts)


class Ends(NamedTuple):
    """What a graph takes and gives."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    initializers: frozenset[str]


def graph_of(
    found: Sequence[Found[Node]], ends: Ends, source: str, rule: Rule[Node]
) -> Graph[Node]:
    """Return the graph of the operators ``found`` in the file ``source``.

    Raises:
        ModelMalformedError: A tensor is made twice, or by nobody, or of itself.
    """
    reads = [one.reads for one in found]
    maker = _makers(found, {*ends.initializers, *ends.inputs}, source)
    known = {*ends.initializers, *ends.inputs, *maker}
    for name in [*ends.outputs, *(name for names in reads for name in names)]:
        if name not in known:
            raise ModelMalformedError(source, f"tensor {name!r:.80}", "nothing makes it")
    order = _topological(reads, maker, source)
    wanted = ancestors(ends.outputs, reads, maker)
    constants = set(ends.initializers)
    operators: list[Operator[Node]] = []
    for index in (i for i in order if i in wanted):
        one = found[index]
        constant = all(name in constants for name in one.reads) and not one.varies
        if constant:
            constants.update(one.writes)
        operators.append(Operator(one.node, one.reads, one.writes, constant, one.kind, one.name))
    made = {name: i for i, operator in enumerate(operators) for name in operator.writes}
    return Graph(tuple(operators), made, *ends, rule)


def ancestors(
    tensors: Iterable[str], reads: Sequence[Sequence[str]], maker: Mapping[str, int]
) -> set[int]:
    """Return the operators that ``tensors`` depend on, given what each reads."""
    found: set[int] = set()
    waiting = [maker[name] for name in tensors if name in maker]
    while waiting:
        index = waiting.pop()
        if index not in found:
            found.add(index)
            waiting += [maker[name] for name in reads[index] if name in maker]
    return found


def _makers(found: Sequence[Found[Node]], taken: set[str], source: str) -> dict[str, int]:
    maker: dict[str, int] = {}
    for index, one in enumerate(found):
        for name in one.writes:
            if name in maker or name in taken:
                raise ModelMalformedError(source, f"tensor {name!r:.80}", "is made twice")
            maker[name] = index
    return maker


def _topological(
    reads: Sequence[Sequence[str]], maker: Mapping[str, int], source: str
) -> list[int]:
    """Return all nodes, the file's order kept wherever it is a valid one."""
    waits = [len({maker[name] for name in names if name in maker}) for names in reads]
    readers: list[list[int]] = [[] for _ in reads]
    for index, names in enumerate(reads):
        for before in {maker[name] for name in names if name in maker}:
            readers[before].append(index)
    ready = [index for index, count in enumerate(waits) if not count]
    order: list[int] = []
    while ready:
        index = heapq.heappop(ready)
        order.append(index)
        for after in readers[index]:
            waits[after] -= 1
            if not waits[after]:
                heapq.heappush(ready, after)
    if len(order) < len(reads):
        raise ModelMalformedError(source, "graph", "some nodes depend on themselves")
    return order
