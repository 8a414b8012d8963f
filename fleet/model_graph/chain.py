"""A model as a chain of blocks: every place along one order that may be cut.

The order goes through the narrowest places of the whole graph, so that of the downsets that a chain
can hold those are in it that carry little. Where the graph is a chain, that is all of them.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from fleet import inputs
from fleet.cuts import widths
from fleet.cuts.space import Space
from fleet.errors import NoCutError
from fleet.formats import CutRequest, Tell
from fleet.model_graph import cuts as graph_cuts
from fleet.model_graph import look as looks
from fleet.model_graph import weight_sizes
from fleet.model_graph.graph import Graph
from fleet.model_graph.look import Look
from fleet.model_graph.open_model import OpenModel
from fleet.model_graph.parts import crossing
from fleet.model_plan.chain import Block, ModelChain, Shared

MOST_BLOCKS: Final = 1_000
"""A longer chain keeps the narrowest place of each of so many parts."""
LEAST_SHARED_BYTES: Final = 1 << 10
"""Smaller weights that several blocks need are not told apart."""
_FLOAT32: Final = 1


def chain(model: OpenModel, request: CutRequest, scratch: Path, tell: Tell) -> ModelChain:
    """Return ``model`` as a chain.

    Args:
        model: To be looked at.
        request: Sizes of dynamic dimensions, or an example; nothing else of it is used.
        scratch: A folder to run it from, where that must be.
        tell: Hears what is being done.

    Raises:
        NoCutError: Nothing in it depends on its inputs.
        CodedError: It cannot be read, or run where that must be.
    """
    sample = inputs.requested(model.inputs, request)
    look = looks.first(model, sample, scratch)
    if look.missing():
        look = looks.folded(model, sample, scratch)
        look.closer(tell, time=False)
    tell("searching for places to cut")
    return _chain(look)


def _chain(look: Look) -> ModelChain:
    graph, facts = look.graph, look.facts
    work, unknown = graph_cuts.work_of(graph, facts)
    space = graph_cuts.space_of(graph, facts)
    if not graph.moving:
        raise NoCutError(look.model.ref.name, 1, 0, space.why)
    order = _order(look, space, work)
    crossed = widths.along(graph_cuts.cut_graph_of(graph, facts, order))
    inner = [place for place in range(1, len(order)) if crossed[place].valid]
    places = _fewer(inner, [frontier.size_bytes for frontier in crossed], len(order))
    needed = weight_sizes.read(look.model)
    weights = weight_sizes.firsts(needed, order)
    live = [
        crossed[place].size_bytes
        + sum(facts[n].size_bytes for n in graph.operators[index].writes if n in facts)
        for place, index in enumerate(order)
    ]
    given = set(graph.inputs)
    blocks: list[Block] = []
    firsts: dict[str, int] = {}
    parts = list(pairwise([0, *places, len(order)]))
    for first, stop in parts:
        inside, last = order[first:stop], stop == len(order)
        names = list(graph.outputs) if last else crossing(graph, order[:stop])
        held = {name: size for index in inside for name, size in needed[index].items()}
        for name in held:
            firsts.setdefault(name, len(blocks))
        blocks.append(
            Block(
                operators=tuple(graph.operators[index].writes[0] for index in inside),
                kinds=tuple(graph.operators[index].kind for index in inside),
                multiply_accumulates=sum(work[index] for index in inside),
                weight_bytes=sum(weights[index] for index in inside),
                shared={
                    name: Shared(size, firsts[name])
                    for name, size in held.items()
                    if firsts[name] < len(blocks) and size >= LEAST_SHARED_BYTES
                },
                activation_bytes=max(live[first:stop]),
                out_bytes=_bytes(look, names),
                cut=() if last else tuple(name for name in names if name not in given),
                float_bytes=_float_bytes(look, names),
            )
        )
    every = len(space.places) - 2
    return ModelChain(
        model=look.model.ref,
        format=look.model.format,
        sizes=look.sample.sizes,
        blocks=tuple(blocks),
        input_bytes=_bytes(look, graph.inputs),
        input_float_bytes=_float_bytes(look, graph.inputs),
        output_bytes=_bytes(look, graph.outputs),
        cut_space=space.cut_space if len(places) == every else f"chain of {space.cut_space}",
        without_rule=dict(unknown),
        notes=tuple(_notes(look, space, len(places), every)),
        places=_places(graph, [order[first:stop] for first, stop in parts]),
    )


def _places(graph: Graph[Any], parts: Sequence[Sequence[int]]) -> dict[str, int]:
    """Return the block of each operator; a tensor's name goes before an operator's."""
    inside = [(at, graph.operators[index]) for at, part in enumerate(parts) for index in part]
    found = {one.name: at for at, one in inside if one.name}
    return found | {name: at for at, one in inside for name in one.writes}


def _order(look: Look, space: Space, work: dict[int, int]) -> list[int]:
    """Return an order of the operators that goes through the narrowest places."""
    way = space.spent(work if any(work.values()) else dict.fromkeys(look.graph.moving, 1.0))
    narrow = widths.narrowest(space, way, most=min(MOST_BLOCKS, max(1, len(look.graph.moving))))
    return widths.in_order(look.graph.moving, [space.before(place) for place in narrow])


def _fewer(places: Sequence[int], sizes: Sequence[int], end: int) -> list[int]:
    """Return at most ``MOST_BLOCKS - 1`` places: of each part of the way the narrowest."""
    if len(places) < MOST_BLOCKS:
        return list(places)
    best: dict[int, int] = {}
    for place in places:
        part = place * (MOST_BLOCKS - 1) // end
        if part not in best or sizes[place] < sizes[best[part]]:
            best[part] = place
    return sorted(best.values())


def _bytes(look: Look, names: Sequence[str]) -> int:
    return sum(look.facts[name].size_bytes for name in names if name in look.facts)


def _float_bytes(look: Look, names: Sequence[str]) -> int:
    found = [look.facts[name] for name in names if name in look.facts]
    return sum(one.size_bytes for one in found if one.dtype == _FLOAT32)


def _notes(look: Look, space: Space, kept: int, every: int) -> Iterator[str]:
    if look.sample.guessed:
        guesses = ", ".join(f"{name}={size}" for name, size in look.sample.guessed.items())
        yield f"sizes guessed: {guesses} (--dim says others)"
    if kept < every:
        yield f"a chain has {kept} of the {every} places where the model may be cut"
    yield from space.notes
