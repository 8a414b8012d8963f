"""Choose the cuts of a graph: the best there are, or where the user says.

Pure: decides, writes nothing.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fleet.cuts import choice as cut_choice
from fleet.cuts import graph as cut_graph
from fleet.cuts import places as cut_places
from fleet.cuts.bounded import Bound
from fleet.cuts.graph import MAX_BYTES, MAX_TENSORS, CutGraph, Operator, Tensor
from fleet.cuts.places import Limits
from fleet.cuts.space import Space
from fleet.errors import BadRequestError, InvalidCutError, NoCutError, UnknownTensorError
from fleet.formats import CutRequest
from fleet.model_graph.facts import TensorFacts
from fleet.model_graph.graph import Graph
from fleet.model_graph.parts import Interface, closure, crossing, interface

Facts = Mapping[str, TensorFacts]

NAMED = "named"
"""As ``cut_space``: the user said where to cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The segments of a graph, and what each takes, gives and costs."""

    segments: tuple[frozenset[int], ...]
    """Indices of moving operators; each operator is in one segment."""
    interfaces: tuple[Interface, ...]
    crossings: tuple[tuple[str, ...], ...]
    """Tensors that each cut carries, those passed on included."""
    costs: tuple[int, ...]
    cut_space: str = NAMED
    """Which cuts were searched, as the manifest says it."""
    notes: tuple[str, ...] = ()
    """What people should know of the search."""

    @property
    def crossing_tensors(self) -> tuple[str, ...]:
        """All tensors that cross some cut, each once."""
        return tuple(dict.fromkeys(name for names in self.crossings for name in names))


def plan(graph: Graph[Any], facts: Facts, request: CutRequest, model: str) -> Plan:
    """Return the cuts that ``request`` asks for.

    Raises:
        NoCutError: There are not so many cuts.
        UnknownTensorError: A cut names a tensor that is not computed.
        InvalidCutError: A cut leaves a side empty, or carries what frames cannot.
        BadRequestError: ``stages`` and ``at`` contradict each other, or there are no stages.
    """
    work, _ = work_of(graph, facts)
    if request.at:
        if request.stages not in (1, len(request.at) + 1):
            problem = f"--at makes {len(request.at) + 1} segments"
            raise BadRequestError(f"--stages {request.stages}", problem)
        cuts_at = [_tensors(graph, cut) for cut in request.at]
        return plan_of(graph, segments_at(graph, facts, cuts_at), work)
    if request.stages < 1:
        raise BadRequestError(f"--stages {request.stages}", "a model has at least 1 segment")
    space = space_for(graph, facts, request.stages)
    segments = chosen(space, work, request.stages, model)
    return plan_of(graph, segments, work, space)


def work_of(graph: Graph[Any], facts: Facts) -> tuple[dict[int, int], Counter[str]]:
    """Return the multiply-accumulates of each moving operator, and the names without a rule.

    Those without a rule count nothing; the second value says how often each occurs.
    """
    found = {i: graph.work(i, facts) for i in graph.moving}
    unknown = (graph.operators[i].kind for i, work in found.items() if work is None)
    return {i: work or 0 for i, work in found.items()}, Counter(unknown)


def note_of(unknown: Mapping[str, int]) -> tuple[str, ...]:
    """Return what to say of operators without a rule, if there are any."""
    if not unknown:
        return ()
    names = ", ".join(f"{name} ({count})" for name, count in sorted(unknown.items()))
    return (f"operators without a rule, counted as no work: {names}",)


def space_for(graph: Graph[Any], facts: Facts, stages: int) -> Space:
    """Return where ``graph`` may be cut into ``stages``, if it can be at all.

    Where not all places could be looked at, those of whole orders may allow more segments.
    """
    space = space_of(graph, facts)
    if space.complete or stages <= cut_choice.largest(space):
        return space
    along = space_of(graph, facts, cut_places.ALONG_ORDERS)
    return along if cut_choice.largest(along) > cut_choice.largest(space) else space


def space_of(graph: Graph[Any], facts: Facts, limits: Limits = cut_places.LIMITS) -> Space:
    """Return where ``graph`` may be cut; its operators keep their indices."""
    return cut_places.find(cut_graph_of(graph, facts, graph.moving), limits)


def cut_graph_of(graph: Graph[Any], facts: Facts, order: Sequence[int]) -> CutGraph:
    """Return what a search for cuts must know of ``graph``, its moving operators in ``order``."""
    operators = [
        Operator((index,), graph.operators[index].reads, graph.operators[index].writes)
        for index in order
    ]
    tensors = {
        name: Tensor(known.size_bytes, _movable(name, facts)) for name, known in facts.items()
    }
    return cut_graph.cut_graph(operators, graph.inputs, graph.outputs, tensors)


def chosen(
    space: Space, costs: Mapping[int, float], stages: int, model: str, bound: Bound | None = None
) -> list[frozenset[int]]:
    """Return the best segments by ``costs`` of the moving operators, within ``bound`` if they can.

    Raises:
        NoCutError: There are not so many cuts.
    """
    if bound is None:
        choice = cut_choice.choose(space, costs, stages)
    else:
        choice = bound.choose(space, costs, stages)
    if choice is None:
        raise NoCutError(model, stages, cut_choice.largest(space), space.why)
    return cut_choice.segments_of(space, choice)


def segments_at(
    graph: Graph[Any], facts: Facts, at: Sequence[Sequence[str]]
) -> list[frozenset[int]]:
    """Return the segments between cuts behind these tensors and all that they depend on.

    Raises:
        InvalidCutError: A cut leaves a side empty, or carries what frames cannot.
    """
    done: frozenset[int] = frozenset()
    segments = []
    for names in at:
        cut = "+".join(names)
        inside = closure(graph, names) - done
        done |= inside
        if not inside:
            raise InvalidCutError(cut, "nothing is computed before it, or since the cut before")
        _check(graph, facts, cut, done)
        segments.append(inside)
    rest = frozenset(graph.moving) - done
    if not rest:
        raise InvalidCutError("+".join(at[-1]), "nothing is left to compute after it")
    return [*segments, rest]


def plan_of(
    graph: Graph[Any],
    segments: Sequence[frozenset[int]],
    work: Mapping[int, int],
    space: Space | None = None,
) -> Plan:
    """Return what ``segments`` take, give and cost; ``space`` is the one that they are from."""
    done: set[int] = set()
    interfaces, crossings = [], []
    for inside in segments:
        interfaces.append(interface(graph, done, inside))
        done |= inside
        crossings.append(crossing(graph, done))
    return Plan(
        segments=tuple(segments),
        interfaces=tuple(interfaces),
        crossings=tuple(crossings[:-1]),
        costs=tuple(sum(work[index] for index in inside) for inside in segments),
        cut_space=space.cut_space if space else NAMED,
        notes=space.notes if space else (),
    )


def _movable(name: str, facts: Facts) -> bool:
    return name in facts and facts[name].movable and facts[name].sizes is not None


def _tensors(graph: Graph[Any], cut: str) -> list[str]:
    """Return the tensors that ``cut`` names; a tensor's own name may contain a plus sign."""
    names = [cut] if cut in graph.maker else [name.strip() for name in cut.split("+")]
    for name in names:
        if not name:
            raise InvalidCutError(cut, "a tensor's name is empty")
        if name in graph.inputs or graph.is_constant(name):
            raise InvalidCutError(name, "it is an input or a weight: nothing is computed before it")
        if name not in graph.maker:
            raise UnknownTensorError(name, list(graph.maker))
    return names


def _check(graph: Graph[Any], facts: Facts, cut: str, done: frozenset[int]) -> None:
    names = crossing(graph, done)
    stuck = [name for name in names if not _movable(name, facts)]
    if stuck:
        raise InvalidCutError(cut, f"tensors {stuck} would cross it and cannot travel in frames")
    size = sum(facts[name].size_bytes for name in names)
    if len(names) > MAX_TENSORS or size > MAX_BYTES:
        problem = f"{len(names)} tensors of {size} bytes would cross it"
        raise InvalidCutError(cut, f"{problem} (at most {MAX_TENSORS} and {MAX_BYTES})")
