"""Choose cuts so that no segment is slower than it must be: by time, by operations, or by bytes.

By time, the operators are timed one by one first. That says where to look; then the segments of
the candidates are measured, and what they took corrects the estimate for the next candidate, until
one comes up again. Of those measured, the rule of `fleet.cuts.choice` decides: the slowest segment
as fast as can be; within 5 % of that, the least to send.

Where weights have to fit some memory, that comes before the balance; see `fleet.cuts.bounded`.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

from fleet.cuts import choice as cut_choice
from fleet.cuts.bounded import Bound
from fleet.cuts.space import Space
from fleet.formats import AUTO, CutRequest
from fleet.measured import Measured
from fleet.model_graph import cuts as graph_cuts
from fleet.model_graph import weight_sizes
from fleet.model_graph.bench import Bench
from fleet.model_graph.cuts import Plan
from fleet.model_graph.look import Look
from fleet.model_graph.reference import HUGE_BYTES

Costs = Mapping[int, float]
"""By the index of each moving operator."""

ROUNDS: Final = 4
"""Candidates that are measured at most."""
MOST_AUTO: Final = 8
"""Stages that ``auto`` chooses at most."""
WORTH: Final = 0.9
"""One more stage is worth it when the slowest segment then costs at most this share."""
RECALLED: Final = "these cuts were measured before (--remeasure does it again)"
LEAST_FACTOR: Final = 0.2
MOST_FACTOR: Final = 5.0
"""How far one measurement may correct an estimate."""


@dataclass(frozen=True, slots=True)
class Balanced:
    """Cuts that were chosen, and what is known of their balance."""

    plan: Plan
    seconds: tuple[float, ...] = ()
    """Measured, of each segment; empty where nothing was."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Balancer:
    """Chooses the cuts of one model.

    Args:
        look: What is known of it.
        tell: Hears what is being done.
    """

    look: Look
    tell: Callable[[str], None]

    def chosen(self, request: CutRequest, timed: Costs, bench: Bench) -> Balanced:
        """Choose the cuts that ``request`` asks for.

        Args:
            request: What is asked for.
            timed: Seconds of operators by index; needed for the balance by time alone.
            bench: Measures segments.

        Raises:
            NoCutError: There are not so many cuts.
            CodedError: The request cannot be met; see `fleet.model_graph.cuts.plan`.
        """
        model = self.look.model.ref.name
        if request.at:
            return Balanced(graph_cuts.plan(self.look.graph, self.look.facts, request, model))
        self.tell("searching for cuts")
        space = graph_cuts.space_for(self.look.graph, self.look.facts, int(request.stages))
        costs, notes = self._costs(request.balance, timed)
        bound = self._bound(request.most_weight_bytes)
        stages = int(request.stages)
        if request.stages == AUTO:
            stages = bound.least_stages(space) if bound else auto_stages(space, costs)
            why = "the most" if stages == MOST_AUTO else "one more would help little"
            if bound:
                room = f"{bound.most / 2**20:.3g} MiB"
                why = f"the fewest whose weights fit in {room}, as far as they can"
            notes = (*notes, f"stages chosen: {stages} ({why})")
        if self.look.model.weight_bytes > HUGE_BYTES and request.balance == "time":
            notes = (*notes, "the model is large: operators were timed, candidates not measured")
        elif request.balance == "time" and stages > 1:
            return self._by_time(space, costs, stages, bound, bench, notes)
        if (
            stages == 1
            and not self.look.graph.moving
            and any(map(self.look.graph.is_constant, self.look.graph.outputs))
        ):
            segments = [frozenset[int]()]  # from weights alone: the same answer for any input
        else:
            segments = graph_cuts.chosen(space, costs, stages, model, bound)
        return Balanced(self._plan(segments, space), notes=notes)

    def recalled(self, found: Measured) -> Balanced:
        """Return the cuts that were measured before.

        Raises:
            CodedError: They are not cuts of this graph.
        """
        cuts_at = [[name for name in cut if name in self.look.graph.maker] for cut in found.cuts]
        segments = graph_cuts.segments_at(self.look.graph, self.look.facts, cuts_at)
        plan = replace(self._plan(segments), cut_space=found.cut_space, notes=())
        return Balanced(plan, found.seconds, (*found.notes, RECALLED))

    def _by_time(
        self,
        space: Space,
        costs: Costs,
        stages: int,
        bound: Bound | None,
        bench: Bench,
        notes: tuple[str, ...],
    ) -> Balanced:
        found: dict[tuple[frozenset[int], ...], Balanced] = {}
        for number in range(1, ROUNDS + 1):
            segments = graph_cuts.chosen(space, costs, stages, self.look.model.ref.name, bound)
            if tuple(segments) in found:
                break
            self.tell(f"measuring {stages} segments (candidate {number} of at most {ROUNDS})")
            plan = self._plan(segments, space)
            seconds = bench.seconds(segments)
            found[tuple(segments)] = Balanced(plan, seconds)
            costs = corrected(costs, segments, seconds)
        best = self._best(list(found.values()))
        threads = "1 thread" if bench.threads == 1 else f"{bench.threads} threads"
        candidates = "1 candidate" if len(found) == 1 else f"{len(found)} candidates"
        note = f"segments measured with {threads} on this machine ({candidates})"
        return Balanced(best.plan, best.seconds, (*notes, note))

    def _best(self, found: Sequence[Balanced]) -> Balanced:
        limit = min(max(one.seconds) for one in found) * cut_choice.SLACK

        def sent(one: Balanced) -> tuple[int, int, float]:
            crossing = [name for names in one.plan.crossings for name in names]
            size = sum(self.look.facts[name].size_bytes for name in crossing)
            return size, len(crossing), max(one.seconds)

        return min((one for one in found if max(one.seconds) <= limit), key=sent)

    def _plan(self, segments: Sequence[frozenset[int]], space: Space | None = None) -> Plan:
        work, _ = self._work
        return graph_cuts.plan_of(self.look.graph, segments, work, space)

    def _bound(self, most: int | None) -> Bound | None:
        if most is None:
            return None
        return Bound(weight_sizes.first_needed(self.look.model, self.look.graph.moving), most)

    @cached_property
    def _work(self) -> tuple[dict[int, int], Counter[str]]:
        return graph_cuts.work_of(self.look.graph, self.look.facts)

    def _costs(self, balance: str, timed: Costs) -> tuple[Costs, tuple[str, ...]]:
        if balance == "time":
            return {index: timed.get(index, 0.0) for index in self.look.graph.moving}, tuple(
                self.look.notes
            )
        if balance == "bytes":
            return weight_sizes.first_needed(self.look.model, self.look.graph.moving), ()
        work, unknown = self._work
        return work, graph_cuts.note_of(unknown)


def auto_stages(space: Space, costs: Costs) -> int:
    """Return up to how many stages each further one makes the slowest clearly faster."""
    stages, slowest = 1, float("inf")
    for more in range(1, min(MOST_AUTO, cut_choice.largest(space)) + 1):
        choice = cut_choice.choose(space, costs, more)
        if choice is not None and choice.slowest_cost <= WORTH ** (more - stages) * slowest:
            stages, slowest = more, choice.slowest_cost
    return stages


def corrected(
    costs: Costs, segments: Sequence[frozenset[int]], seconds: Sequence[float]
) -> dict[int, float]:
    """Return the costs of operators so that each segment costs what it was measured to take."""
    made = dict(costs)
    for inside, measured in zip(segments, seconds, strict=True):
        estimated = sum(costs[index] for index in inside)
        if estimated > 0:
            factor = min(max(measured / estimated, LEAST_FACTOR), MOST_FACTOR)
            made |= {index: costs[index] * factor for index in inside}
        else:
            made |= dict.fromkeys(inside, measured / len(inside))
    return made
