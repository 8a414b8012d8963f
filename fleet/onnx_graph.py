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

from wire.model_errors import ModelMalformedError

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


@dataclass(frozen=True, slots=True)
class Interface:
    """What one segment takes and gives."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


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
    wanted = _ancestors(outputs, reads, maker)
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


def closure(graph: Graph, tensors: Iterable[str]) -> frozenset[int]:
    """Return the moving operators that ``tensors`` depend on."""
    found = _ancestors(tensors, [operator.reads for operator in graph.operators], graph.maker)
    return frozenset(index for index in found if not graph.operators[index].constant)


def with_constants(graph: Graph, inside: Collection[int], extra: Iterable[str] = ()) -> list[int]:
    """Return ``inside`` and the constant operators it needs, and ``extra`` too, in order."""
    found = set(inside)
    waiting = [name for index in inside for name in graph.operators[index].reads]
    waiting += extra
    while waiting:
        index = graph.maker.get(waiting.pop(), -1)
        if index >= 0 and index not in found and graph.operators[index].constant:
            found.add(index)
            waiting += graph.operators[index].reads
    return sorted(found)


def interface(graph: Graph, done: Collection[int], inside: Collection[int]) -> Interface:
    """Return what the segment of operators ``inside`` takes and gives, after ``done`` have run.

    The last segment also gives the outputs that are constant.
    """
    made = {name for index in inside for name in graph.operators[index].writes}
    taken = {
        name
        for index in inside
        for name in graph.operators[index].reads
        if name not in made and not graph.is_constant(name)
    }
    later = set(graph.moving).difference(done, inside)
    needed = {name for index in later for name in graph.operators[index].reads}
    given = made & (needed | set(graph.outputs))
    if not later:
        given |= {name for name in graph.outputs if graph.is_constant(name)}
    order = {name: place for place, name in enumerate(graph.outputs)} if not later else {}
    return Interface(
        tuple(sorted(taken, key=graph.rank)),
        tuple(sorted(given, key=lambda name: (order.get(name, -1), _rank(graph, name)))),
    )


def crossing(graph: Graph, done: Collection[int]) -> tuple[str, ...]:
    """Return the tensors that exist after ``done`` have run and are still needed, in order."""
    later = set(graph.moving).difference(done)
    needed = {name for index in later for name in graph.operators[index].reads}
    needed.update(graph.outputs)
    exist = {name for index in done for name in graph.operators[index].writes}
    exist.update(graph.inputs)
    return tuple(sorted(needed & exist, key=graph.rank))


def depth_first(graph: Graph) -> tuple[int, ...]:
    """Return the moving operators in an order that starts a branch only when it is needed."""
    order: list[int] = []
    seen: set[int] = set()
    for output in graph.outputs:
        stack = [(graph.maker.get(output, -1), False)]
        while stack:
            index, ready = stack.pop()
            if ready:
                order.append(index)
                continue
            if index < 0 or index in seen or graph.operators[index].constant:
                continue
            seen.add(index)
            stack.append((index, True))
            reads = graph.operators[index].reads
            stack.extend((graph.maker.get(name, -1), False) for name in reversed(reads))
    return tuple(order)


def _rank(graph: Graph, name: str) -> tuple[int, int]:
    return (-1, 0) if name in graph.initializers else graph.rank(name)


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


def _ancestors(
    tensors: Iterable[str], reads: Sequence[Sequence[str]], maker: Mapping[str, int]
) -> set[int]:
    found: set[int] = set()
    waiting = [maker[name] for name in tensors if name in maker]
    while waiting:
        index = waiting.pop()
        if index not in found:
            found.add(index)
            waiting += [maker[name] for name in reads[index] if name in maker]
    return found
