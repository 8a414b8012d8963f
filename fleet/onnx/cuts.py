"""Choose the cuts of an ONNX graph: the best of several orders, or where the user says.

Pure: decides, writes nothing.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fleet import cuts
from fleet.cuts import MAX_BYTES, MAX_TENSORS, Life, Order
from fleet.errors import BadRequestError, InvalidCutError, NoCutError, UnknownTensorError
from fleet.formats import CutRequest
from fleet.onnx.cost import multiply_accumulates
from fleet.onnx.graph import Graph
from fleet.onnx.parts import Interface, closure, crossing, depth_first, interface
from fleet.onnx.shapes import TensorFacts

Facts = Mapping[str, TensorFacts]


@dataclass(frozen=True, slots=True)
class Plan:
    """The segments of a graph, and what each takes, gives and costs."""

    segments: tuple[frozenset[int], ...]
    """Indices of moving operators; each operator is in one segment."""
    interfaces: tuple[Interface, ...]
    crossings: tuple[tuple[str, ...], ...]
    """Tensors that each cut carries, those passed on included."""
    costs: tuple[int, ...]

    @property
    def crossing_tensors(self) -> tuple[str, ...]:
        """All tensors that cross some cut, each once."""
        return tuple(dict.fromkeys(name for names in self.crossings for name in names))


def plan(graph: Graph, facts: Facts, request: CutRequest, model: str) -> Plan:
    """Return the cuts that ``request`` asks for.

    Raises:
        NoCutError: There are not so many cuts.
        UnknownTensorError: A cut names a tensor that is not computed.
        InvalidCutError: A cut leaves a side empty, or carries what frames cannot.
        BadRequestError: ``stages`` and ``at`` contradict each other, or there are no stages.
    """
    if request.at:
        if request.stages not in (1, len(request.at) + 1):
            problem = f"--at makes {len(request.at) + 1} segments"
            raise BadRequestError(f"--stages {request.stages}", problem)
        segments = _named(graph, facts, request.at)
    elif request.stages < 1:
        raise BadRequestError(f"--stages {request.stages}", "a model has at least 1 segment")
    else:
        segments = _chosen(graph, facts, request.stages, model)
    done: set[int] = set()
    interfaces, crossings = [], []
    for inside in segments:
        interfaces.append(interface(graph, done, inside))
        done |= inside
        crossings.append(crossing(graph, done))
    work = _work(graph, facts)
    return Plan(
        segments=tuple(segments),
        interfaces=tuple(interfaces),
        crossings=tuple(crossings[:-1]),
        costs=tuple(sum(work[index] for index in inside) for inside in segments),
    )


def order_of(graph: Graph, facts: Facts, operators: Sequence[int], costs: Sequence[float]) -> Order:
    """Return what the choice must know of the moving ``operators`` in this order."""
    place = {index: position for position, index in enumerate(operators)}
    last = len(operators)
    needed = dict.fromkeys(graph.outputs, last)
    for position, index in enumerate(operators):
        for name in graph.operators[index].reads:
            needed[name] = max(position, needed.get(name, 0))
    born = dict.fromkeys(graph.inputs, 0)
    for index in operators:
        born |= dict.fromkeys(graph.operators[index].writes, place[index] + 1)
    unknown = TensorFacts()
    lives = [
        Life(begins, needed[name], facts.get(name, unknown).size_bytes, _movable(name, facts))
        for name, begins in born.items()
        if name in needed
    ]
    return Order(tuple(costs), cuts.frontiers(lives, last))


def _work(graph: Graph, facts: Facts) -> dict[int, int]:
    return {i: multiply_accumulates(graph.operators[i], facts) for i in graph.moving}


def _movable(name: str, facts: Facts) -> bool:
    return name in facts and facts[name].movable and facts[name].sizes is not None


def _chosen(graph: Graph, facts: Facts, stages: int, model: str) -> list[frozenset[int]]:
    work = _work(graph, facts)
    found = []
    most = 0
    for operators in dict.fromkeys((graph.moving, depth_first(graph))):
        order = order_of(graph, facts, operators, [work[index] for index in operators])
        most = max(most, cuts.largest(order))
        choice = cuts.choose(order, stages)
        if choice:
            found.append((choice, operators))
    if not found:
        raise NoCutError(model, stages, most)
    best = cuts.best([choice for choice, _ in found])
    operators = next(operators for choice, operators in found if choice == best)
    ends = [0, *best.positions, len(operators)]
    return [frozenset(operators[a:b]) for a, b in itertools.pairwise(ends)]


def _named(graph: Graph, facts: Facts, at: Sequence[str]) -> list[frozenset[int]]:
    done: frozenset[int] = frozenset()
    segments = []
    for cut in at:
        inside = closure(graph, _tensors(graph, cut)) - done
        done |= inside
        if not inside:
            raise InvalidCutError(cut, "nothing is computed before it, or since the cut before")
        _check(graph, facts, cut, done)
        segments.append(inside)
    rest = frozenset(graph.moving) - done
    if not rest:
        raise InvalidCutError(at[-1], "nothing is left to compute after it")
    return [*segments, rest]


def _tensors(graph: Graph, cut: str) -> list[str]:
    """Return the tensors that ``cut`` names; a tensor's own name may contain a plus sign."""
    names = [cut] if cut in graph.maker else [name.strip() for name in cut.split("+")]
    for name in names:
        if name in graph.inputs or graph.is_constant(name):
            raise InvalidCutError(name, "it is an input or a weight: nothing is computed before it")
        if name not in graph.maker:
            raise UnknownTensorError(name, list(graph.maker))
    return names


def _check(graph: Graph, facts: Facts, cut: str, done: frozenset[int]) -> None:
    names = crossing(graph, done)
    stuck = [name for name in names if not _movable(name, facts)]
    if stuck:
        raise InvalidCutError(cut, f"tensors {stuck} would cross it and cannot travel in frames")
    size = sum(facts[name].size_bytes for name in names)
    if len(names) > MAX_TENSORS or size > MAX_BYTES:
        problem = f"{len(names)} tensors of {size} bytes would cross it"
        raise InvalidCutError(cut, f"{problem} (at most {MAX_TENSORS} and {MAX_BYTES})")
