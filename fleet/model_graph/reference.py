"""Run a whole model in children and look inside: any of its tensors can be asked for.

A model of many weights is run in pieces, one child after the other, so that no more than a part of
it is ever in memory. Where the pieces end has nothing to do with where the model is cut.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from fleet import children
from fleet.children import RunOptions
from fleet.errors import ChildFailedError, NeedsExampleError, NotRunnableError
from fleet.inputs import Sample
from fleet.model_graph import open_model, weight_sizes
from fleet.model_graph.facts import TensorFacts
from fleet.model_graph.graph import Graph
from fleet.model_graph.open_model import OpenModel, Part
from fleet.model_graph.parts import interface
from wire.tensors import TensorSpec

Arrays = Mapping[str, NDArray[Any]]
Facts = Mapping[str, TensorFacts]

PROFILE_SECONDS: Final = 0.2
"""How long each piece is run again to time its operators."""
PIECE_BYTES: Final = 48 << 20
"""Weights of one piece, at most: this, or a sixth of the model's."""
HUGE_BYTES: Final = 1 << 30
"""From here on weights are left mapped, and candidates are not measured: it would take minutes."""
_OF_SEGMENTS: Final = "; split the model again or choose another runtime"
"""What a runtime that cannot open a segment advises; to the whole it does not apply."""
_PARTS: Final = 6
_MAPPED_PARTS: Final = 3
"""A piece that could not be divided and has so large a part of the weights leaves them mapped: to
rearrange them takes their size again. Elsewhere they are rearranged, as they are on devices."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a run showed."""

    values: dict[str, NDArray[Any]] = field(default_factory=dict)
    sizes: dict[str, TensorSpec] = field(default_factory=dict)
    """Types and shapes of the tensors that were asked for."""
    operator_seconds: dict[int, float] = field(default_factory=dict)
    """By the operator's index in the graph, where they were timed and the runtime tells."""
    run_seconds: list[float] = field(default_factory=list)
    """Of each piece, once through it."""


@dataclass(frozen=True)
class Reference:
    """A model, and a folder of its own to run it from."""

    model: OpenModel
    folder: Path
    facts: dict[str, TensorFacts] = field(default_factory=dict)
    """What is known of types; pieces end where everything that crosses may travel."""

    @property
    def graph(self) -> Graph[Any]:
        """The model's."""
        return self.model.graph

    @property
    def is_large(self) -> bool:
        """Whether the model is run in pieces."""
        return self.model.weight_bytes > PIECE_BYTES

    def run(
        self,
        samples: Sequence[Sample],
        *,
        values: Collection[str] = (),
        sizes: Collection[str] = (),
        profile: bool = False,
    ) -> tuple[Seen, ...]:
        """Run the model with each sample; return ``values`` as arrays, and ``sizes`` without them.

        With ``profile`` it is timed in one thread: each operator, with optimisations off, where
        the runtime tells that; else the whole, as it is served.

        Raises:
            NeedsExampleError: It does not run with the values or sizes that were made up.
            NotRunnableError: It does not run.
        """
        have = [dict(sample.arrays) for sample in samples]
        seen = tuple(Seen() for _ in samples)
        done: set[int] = set()
        for number, inside in enumerate(self.pieces):
            part = self._part(number, inside, done, {*values, *sizes})
            done |= inside
            later = self._read_later(done)
            keep = [name for name in part.outputs if name in values or name in later]
            run = self._run_piece(part, samples[0], have, keep, profile=profile)
            shapes = (run.report.outputs, *run.report.more_outputs)
            for at, one in enumerate(seen):
                one.run_seconds.append(min(run.report.run_seconds[len(have) :], default=0.0))
                have[at] |= run.outputs[at] if run.outputs else {}
                one.sizes.update((spec.name, spec) for spec in shapes[at] if spec.name in sizes)
                have[at] = {n: a for n, a in have[at].items() if n in later or n in values}
                one.operator_seconds.update(
                    (part.operators[place], seconds)
                    for place, seconds in run.report.operator_seconds.items()
                    if place < len(part.operators)
                )
        for one, arrays in zip(seen, have, strict=True):
            one.values.update((name, arrays[name]) for name in values if name in arrays)
        return seen

    def leaves_mapped(self, part: Part) -> bool:
        """Whether a part has too much of a large model's weights to hold them twice."""
        if not self.is_large or self.model.weight_bytes > HUGE_BYTES:
            return self.is_large
        held = weight_sizes.used(self.model, part.operators, part.outputs)
        return sum(held.values()) * _MAPPED_PARTS > self.model.weight_bytes

    @cached_property
    def pieces(self) -> tuple[frozenset[int], ...]:
        """The moving operators in the pieces that the model is run in."""
        if not self.is_large:
            return (frozenset(self.graph.moving),)
        limit = max(PIECE_BYTES, self.model.weight_bytes // _PARTS)
        reads = weight_sizes.read(self.model)
        read_bytes = {index: sum(sizes.values()) for index, sizes in reads.items()}
        return tuple(pieces_of(self.graph, self.facts, read_bytes, limit))

    def _part(
        self, number: int, inside: frozenset[int], done: Collection[int], wanted: Collection[str]
    ) -> Part:
        """Return a piece that also gives what is ``wanted`` of it."""
        face = interface(self.graph, done, inside)
        made = [name for index in sorted(inside) for name in self.graph.operators[index].writes]
        shown = [name for name in made if name in wanted and name not in face.outputs]
        return open_model.open_part(
            self.model,
            f"piece{number}",
            inside,
            replace(face, outputs=(*face.outputs, *shown)),
            self.facts,
        )

    def _read_later(self, done: Collection[int]) -> set[str]:
        later = set(self.graph.moving).difference(done)
        return {name for index in later for name in self.graph.operators[index].reads}

    def _run_piece(
        self,
        part: Part,
        sample: Sample,
        have: Sequence[Arrays],
        keep: Sequence[str],
        *,
        profile: bool,
    ) -> children.Run:
        folder = self.folder / part.name
        seen = folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        self.model.write_scratch(folder, part, keep_weights=seen)
        feeds = [{name: arrays[name] for name in part.inputs} for arrays in have]
        options = RunOptions(mapped=self.leaves_mapped(part), tensors_only=True)
        if profile:
            served = not self.model.times_operators
            options = replace(
                options,
                profile=True,
                threads=1,
                again_seconds=PROFILE_SECONDS,
                optimisations=served,
            )
        try:
            return children.run(folder, feeds, options, fetch=list(keep))
        except ChildFailedError as error:
            model = self.model.ref.name
            if sample.made_up and error.child_code == "runtime.failed":
                raise NeedsExampleError(model, sample.guessed, error.reason) from error
            raise NotRunnableError(model, _of_the_whole(error.reason, folder)) from error


def _of_the_whole(reason: str, folder: Path) -> str:
    """Return why a piece does not run without what is true of segments alone: place and advice."""
    shown = reason.replace(f"{folder}/", "").replace(str(folder), "it")
    return shown.removesuffix(_OF_SEGMENTS)


def pieces_of(
    graph: Graph[Any], facts: Facts, read_bytes: Mapping[int, int], limit_bytes: int
) -> Iterator[frozenset[int]]:
    """Yield the moving operators in pieces that read at most ``limit_bytes`` of weights each.

    A piece is longer where nothing shorter can be cut off: what crosses must be known to travel.
    """
    begins = cut = total = since = 0
    order = graph.moving
    ends = _possible_ends(graph, facts)
    for place, index in enumerate(order):
        if total + read_bytes[index] > limit_bytes and cut > begins:
            yield frozenset(order[begins:cut])
            begins, total = cut, since
        total += read_bytes[index]
        since += read_bytes[index]
        if ends[place]:
            cut, since = place + 1, 0
    yield frozenset(order[begins:])


def _possible_ends(graph: Graph[Any], facts: Facts) -> list[bool]:
    """Return, for each place in the order, whether all that is alive behind it may travel."""
    order = graph.moving
    last_read = {name: at for at, i in enumerate(order) for name in graph.operators[i].reads}
    ends, stuck_until = [], 0
    for place, index in enumerate(order):
        for name in graph.operators[index].writes:
            if name not in facts or not facts[name].movable:
                stuck_until = max(stuck_until, last_read.get(name, 0))
        ends.append(stuck_until <= place)
    return ends
