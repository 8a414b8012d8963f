"""What a cut must know of an ONNX graph: who makes and who reads each tensor.

An operator that has graphs inside (If, Loop, Scan) stays whole; what its bodies capture from
outside counts as its inputs. What is computed from weights alone is *constant*: it never crosses
a cut, each segment computes what it uses. Operators that no output depends on are left out.

Pure: reads the protobuf, changes nothing.
"""

import heapq
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from onnx import AttributeProto, FunctionProto, GraphProto, NodeProto

from wire.model.errors import ModelMalformedError

RANDOM: Final = frozenset(
    {
        "Bernoulli",
        "Dropout",
        "Multinomial",
        "RandomNormal",
        "RandomNormalLike",
        "RandomUniform",
        "RandomUniformLike",
    }
)
"""Operators that may give another value each time they run, whatever they read."""


@dataclass(frozen=True, slots=True)
class Operator:
    """One node of the graph, whole."""

    node: NodeProto
    reads: tuple[str, ...]
    """Inputs and captures, each once."""
    writes: tuple[str, ...]
    constant: bool
    """Whether it depends on weights alone."""


@dataclass(frozen=True, slots=True)
class Graph:
    """A graph's operators in topological order, those that outputs depend on."""

    operators: tuple[Operator, ...]
    maker: Mapping[str, int]
    """Index of the operator that writes a tensor."""
    inputs: tuple[str, ...]
    """Without those that initializers give a value."""
    outputs: tuple[str, ...]
    initializers: frozenset[str]

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


def read(graph: GraphProto, source: str, functions: Sequence[FunctionProto] = ()) -> Graph:
    """Return what there is to know of ``graph``; ``functions`` are those of its model.

    Raises:
        ModelMalformedError: A tensor is made twice, or by nobody, or of itself.
    """
    initializers = frozenset(_initializers(graph))
    given = tuple(value.name for value in graph.input if value.name not in initializers)
    outputs = tuple(value.name for value in graph.output)
    nodes = list(graph.node)
    reads = [tuple(dict.fromkeys(_reads(node))) for node in nodes]
    maker = _makers(nodes, {*initializers, *given}, source)
    known = {*initializers, *given, *maker}
    for name in [*outputs, *(name for names in reads for name in names)]:
        if name not in known:
            raise ModelMalformedError(source, f"tensor {name!r:.80}", "nothing makes it")
    order = _topological(reads, maker, source)
    wanted = ancestors(outputs, reads, maker)
    constants = set(initializers)
    random = _random_functions(functions)
    operators: list[Operator] = []
    for index in (i for i in order if i in wanted):
        node = nodes[index]
        writes = tuple(name for name in node.output if name)
        constant = all(name in constants for name in reads[index]) and not _is_random(node, random)
        if constant:
            constants.update(writes)
        operators.append(Operator(node, reads[index], writes, constant))
    made = {name: i for i, operator in enumerate(operators) for name in operator.writes}
    return Graph(tuple(operators), made, given, outputs, initializers)


def captures(node: NodeProto) -> Iterator[str]:
    """Yield the names that the graphs inside ``node`` take from outside."""
    for body in bodies(node):
        yield from _free(body)


def bodies(node: NodeProto) -> Iterator[GraphProto]:
    """Yield the graphs directly inside ``node``."""
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            yield attribute.g
        elif attribute.type == AttributeProto.GRAPHS:
            yield from attribute.graphs


def _initializers(graph: GraphProto) -> Iterator[str]:
    for tensor in graph.initializer:
        yield tensor.name
    for sparse in graph.sparse_initializer:
        yield sparse.values.name


def _reads(node: NodeProto) -> Iterator[str]:
    for name in node.input:
        if name:
            yield name
    yield from captures(node)


def _free(body: GraphProto) -> Iterator[str]:
    own = {*_initializers(body), *(value.name for value in body.input)}
    own.update(name for node in body.node for name in node.output)
    for node in body.node:
        for name in _reads(node):
            if name not in own:
                yield name
    for value in body.output:
        if value.name and value.name not in own:
            yield value.name


def _random_functions(functions: Sequence[FunctionProto]) -> set[tuple[str, str]]:
    random: set[tuple[str, str]] = set()
    before = -1
    while len(random) > before:  # functions call each other, in no order
        before = len(random)
        random.update(
            (function.domain, function.name)
            for function in functions
            if any(_is_random(node, random) for node in function.node)
        )
    return random


def _is_random(node: NodeProto, functions: Collection[tuple[str, str]]) -> bool:
    if node.op_type in RANDOM or (node.domain, node.op_type) in functions:
        return True
    return any(_is_random(inner, functions) for body in bodies(node) for inner in body.node)


def _makers(nodes: Sequence[NodeProto], taken: Collection[str], source: str) -> dict[str, int]:
    maker: dict[str, int] = {}
    for index, node in enumerate(nodes):
        for name in node.output:
            if name in maker or name in taken:
                raise ModelMalformedError(source, f"tensor {name!r:.80}", "is made twice")
            if name:
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
