"""Look at a model without cutting it; see `fleet.survey`.

Sizes come from shape inference. Only where it does not know all, or operators are to be timed, the
model is run, once.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fleet import inputs
from fleet.cuts import widths
from fleet.cuts.space import Space
from fleet.formats import Tell
from fleet.model_graph import cuts as graph_cuts
from fleet.model_graph import facts as tensor_facts
from fleet.model_graph import look as looks
from fleet.model_graph import weight_sizes
from fleet.model_graph.facts import TensorFacts
from fleet.model_graph.look import Look
from fleet.model_graph.open_model import OpenModel
from fleet.model_graph.parts import crossing
from fleet.survey import Along, CutPlace, ModelSurvey, OperatorKind, SurveyRequest
from wire.tensors import TensorSpec


def survey(model: OpenModel, request: SurveyRequest, scratch: Path, tell: Tell) -> ModelSurvey:
    """Return what there is to know of ``model``; ``scratch`` is a folder to run it from.

    Raises:
        CodedError: It cannot be run where it must be.
    """
    seen = _seen(model, request, scratch, tell)
    return _Survey(seen).made(request.cuts, tell)


def _seen(model: OpenModel, request: SurveyRequest, scratch: Path, tell: Tell) -> Look:
    """Look at the model: by inference where that does, for it takes no time."""
    if request.arrays is not None:
        sample = inputs.given(model.inputs, request.arrays, "the golden frames")
    else:
        sample = inputs.requested(model.inputs, request.sampling)
    seen = looks.first(model, sample, scratch)
    if request.time or seen.missing():
        seen = looks.folded(model, sample, scratch)
        seen.closer(tell, time=request.time)
    return seen


@dataclass(frozen=True, slots=True)
class _Survey:
    """Describes what was seen of a model."""

    seen: Look

    def made(self, cuts: Sequence[Sequence[str]] | None, tell: Tell) -> ModelSurvey:
        """Describe all of it, with the places of ``cuts`` or the narrowest there are."""
        work, unknown = graph_cuts.work_of(self.seen.graph, self.seen.facts)
        space: Space | None = None
        if cuts is None:
            tell("searching for narrow places")
            space = graph_cuts.space_of(self.seen.graph, self.seen.facts)
            way = space.spent(self._way(work))
            places = [space.before(place) for place in widths.narrowest(space, way)]
        else:
            places = self._downsets(cuts)
        order = widths.in_order(self.seen.graph.moving, places)
        along = self._along(order, work)
        return ModelSurvey(
            model=self.seen.model.ref,
            inputs=self.seen.model.inputs,
            outputs=self._outputs(),
            sizes=self.seen.sample.sizes,
            opsets=dict(self.seen.model.opsets),
            operators=len(order),
            weight_bytes=sum(along.weight_bytes),
            kinds=tuple(self._kinds(order, along)),
            along=along,
            places=tuple(self._place(inside, along) for inside in places),
            cut_space=space.cut_space if space else graph_cuts.NAMED,
            notes=tuple(self._notes(space, unknown, found=bool(places))),
        )

    def _way(self, work: Mapping[int, int]) -> Mapping[int, float]:
        """Return what the way through the graph is measured by: time, else work, else steps."""
        if any(self.seen.seconds.get(index) for index in self.seen.graph.moving):
            return {index: self.seen.seconds.get(index, 0.0) for index in self.seen.graph.moving}
        return work if any(work.values()) else dict.fromkeys(self.seen.graph.moving, 1.0)

    def _downsets(self, cuts: Sequence[Sequence[str]]) -> list[frozenset[int]]:
        made = [[name for name in cut if name in self.seen.graph.maker] for cut in cuts]
        if not made:
            return []
        downsets = [frozenset[int]()]
        for inside in graph_cuts.segments_at(self.seen.graph, self.seen.facts, made)[:-1]:
            downsets.append(downsets[-1] | inside)
        return downsets[1:]

    def _along(self, order: Sequence[int], work: Mapping[int, int]) -> Along:
        operators = [self.seen.graph.operators[index] for index in order]
        crossed = widths.along(graph_cuts.cut_graph_of(self.seen.graph, self.seen.facts, order))
        ends = (0, len(crossed) - 1)
        return Along(
            names=tuple(operator.kind for operator in operators),
            writes=tuple(operator.writes[0] if operator.writes else "" for operator in operators),
            multiply_accumulates=tuple(work[index] for index in order),
            weight_bytes=tuple(weight_sizes.first_needed(self.seen.model, order).values()),
            seconds=tuple(self.seen.seconds.get(i, 0.0) for i in order)
            if self.seen.seconds
            else (),
            seconds_are_shares=bool(self.seen.seconds) and not self.seen.model.times_operators,
            crossing_bytes=tuple(frontier.size_bytes for frontier in crossed),
            cuttable=tuple(
                frontier.valid and place not in ends for place, frontier in enumerate(crossed)
            ),
        )

    def _kinds(self, order: Sequence[int], along: Along) -> Iterator[OperatorKind]:
        """Yield the kinds of operators: those that are most work come first."""
        members: dict[str, list[int]] = {}
        for place, name in enumerate(along.names):
            members.setdefault(name, []).append(place)
        without = {
            place
            for place, index in enumerate(order)
            if self.seen.graph.work(index, self.seen.facts) is None
        }

        def importance(name: str) -> tuple[float, int, int, str]:
            places = members[name]
            seconds = sum(along.seconds[place] for place in places) if along.seconds else 0.0
            work = sum(along.multiply_accumulates[place] for place in places)
            return -seconds, -work, -len(places), name

        for name in sorted(members, key=importance):
            places = members[name]
            yield OperatorKind(
                name=name,
                count=len(places),
                without_rule=len(without.intersection(places)),
                multiply_accumulates=sum(along.multiply_accumulates[place] for place in places),
                weight_bytes=sum(along.weight_bytes[place] for place in places),
                seconds=sum(along.seconds[p] for p in places) if along.seconds else None,
            )

    def _place(self, inside: frozenset[int], along: Along) -> CutPlace:
        """Describe a place that is a beginning of the order."""
        end = len(inside)
        names = crossing(self.seen.graph, inside)
        return CutPlace(
            operators=end,
            tensors=names,
            size_bytes=along.crossing_bytes[end],
            work_share=_share(along.multiply_accumulates, end),
            weight_share=_share(along.weight_bytes, end),
            time_share=_share(along.seconds, end) if along.seconds else None,
        )

    def _outputs(self) -> tuple[TensorSpec, ...]:
        """Return the outputs as declared, or where nothing is declared as they are."""
        declared = self.seen.model.declared()
        specs = []
        for name in self.seen.graph.outputs:
            said, found = declared[name], self.seen.facts.get(name, TensorFacts())
            best = said if said.dtype and said.shape is not None else found
            specs.append(tensor_facts.spec(name, best))
        return tuple(specs)

    def _notes(self, space: Space | None, unknown: Counter[str], *, found: bool) -> Iterator[str]:
        if self.seen.sample.guessed:
            guesses = ", ".join(f"{name}={size}" for name, size in self.seen.sample.guessed.items())
            yield f"sizes guessed: {guesses} (--dim says others)"
        if self.seen.was_run and not self.seen.seconds:
            yield "run once for its shapes: inference does not know all of them"
        yield from self.seen.model.notes
        yield from self.seen.notes
        left = self.seen.model.operators_in_file - len(self.seen.graph.operators)
        if left:
            yield f"operators that no output depends on, left out: {left}"
        constant = len(self.seen.graph.operators) - len(self.seen.graph.moving)
        if constant:
            yield f"operators on weights alone, not counted: {constant}"
        yield from graph_cuts.note_of(unknown)
        if space is not None:
            yield from space.notes
            if not found:
                yield space.why


def _share(values: Sequence[float], end: int) -> float:
    """Return the part of all ``values`` that is before ``end``; where all are 0, of their count."""
    total = sum(values)
    return sum(values[:end]) / total if total else end / max(len(values), 1)
