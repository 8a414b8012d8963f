"""Run a whole ONNX model in children and look inside: any of its tensors can be asked for.

A model of many weights is run in pieces, one child after the other, with its weights mapped, so
that no more than a part of it is ever in memory. Where the pieces end has nothing to do with where
the model is cut.
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
from fleet.onnx import segments as onnx_segments
from fleet.onnx import shapes as onnx_shapes
from fleet.onnx.graph import Graph
from fleet.onnx.parts import Interface, interface, with_constants
from fleet.onnx.segments import Part
from fleet.onnx.shapes import TensorFacts
from fleet.onnx.source import Source
from wire.tensors import TensorSpec

Arrays = Mapping[str, NDArray[Any]]
Facts = Mapping[str, TensorFacts]

PIECE_BYTES: Final = 48 << 20
"""Weights of one piece, at most: this, or a quarter of the model's."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a run showed."""

    values: dict[str, NDArray[Any]]
    sizes: dict[str, TensorSpec]
    """Of every tensor that was asked for, those whose values were not included."""


@dataclass(frozen=True)
class Reference:
    """A model, its graph, and a folder of its own to run it from."""

    source: Source
    graph: Graph
    folder: Path
    facts: dict[str, TensorFacts] = field(default_factory=dict)
    """What is known of types; pieces end where everything that crosses may travel."""

    @property
    def is_large(self) -> bool:
        """Whether the model is run in pieces, its weights mapped."""
        return self.source.weight_bytes > PIECE_BYTES

    def run(
        self, sample: Sample, *, values: Collection[str] = (), sizes: Collection[str] = ()
    ) -> Seen:
        """Run the model with ``sample``; return ``values`` as arrays, and ``sizes`` without them.

        Raises:
            NeedsExampleError: It does not run with the values or sizes that were made up.
            NotRunnableError: It does not run.
        """
        have = dict(sample.arrays)
        seen = Seen({}, {})
        done: set[int] = set()
        wanted = {*values, *sizes}
        for number, inside in enumerate(self._pieces):
            face = interface(self.graph, done, inside)
            done |= inside
            made = _made(self.graph, inside, face)
            shown = [name for name in made if name in wanted and name not in face.outputs]
            part = self._part(number, inside, replace(face, outputs=(*face.outputs, *shown)))
            last = len(done) == len(self.graph.moving)
            keep = [n for n in part.outputs if n in values or (not last and n in face.outputs)]
            run = self._run_piece(part, sample, have, keep)
            have |= run.outputs[0] if run.outputs else {}
            seen.sizes.update((s.name, s) for s in run.report.outputs if s.name in wanted)
            have = self._needed(have, done, values)
        seen.values.update((name, have[name]) for name in values if name in have)
        return seen

    @cached_property
    def _pieces(self) -> tuple[frozenset[int], ...]:
        if not self.is_large:
            return (frozenset(self.graph.moving),)
        limit = max(PIECE_BYTES, self.source.weight_bytes // 4)
        return tuple(pieces(self.graph, self.facts, self._weights_read(), limit))

    def _weights_read(self) -> dict[int, int]:
        """Return the bytes of weights that each moving operator reads, directly or not."""
        part = Part("", self.graph.moving, {}, {}, {})
        every = replace(part, operators=tuple(range(len(self.graph.operators))))
        size_of = onnx_segments.weights_used(self.source, self.graph, every)
        read: dict[int, int] = {}
        for index in self.graph.moving:
            operators = with_constants(self.graph, [index])
            names = {name for one in operators for name in self.graph.operators[one].reads}
            read[index] = sum(size_of.get(name, 0) for name in names)
        return read

    def _part(self, number: int, inside: Collection[int], face: Interface) -> Part:
        declared = onnx_shapes.declared(self.source.model)
        known = {**declared, **self.facts}

        def open_shape(name: str) -> TensorFacts:
            # shapes are left open: what was inferred may be wrong, what runs is right
            return TensorFacts(known[name].dtype if name in known else 0)

        return Part(
            name=f"piece{number}",
            operators=with_constants(self.graph, inside, face.outputs),
            inputs={
                name: declared[name] if name in self.graph.inputs else open_shape(name)
                for name in face.inputs
            },
            outputs={name: open_shape(name) for name in face.outputs},
            metadata={},
        )

    def _run_piece(
        self, part: Part, sample: Sample, have: Arrays, keep: Sequence[str]
    ) -> children.Run:
        folder = self.folder / part.name
        seen = folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        onnx_segments.write_scratch(folder, self.source, self.graph, part, keep_weights=seen)
        feeds = {name: have[name] for name in part.inputs}
        options = RunOptions(mapped=self.is_large)
        try:
            return children.run(folder, [feeds], options, fetch=list(keep))
        except ChildFailedError as error:
            model = self.source.ref.name
            if sample.made_up and error.child_code == "runtime.failed":
                raise NeedsExampleError(model, sample.guessed, error.reason) from error
            raise NotRunnableError(model, error.reason) from error

    def _needed(
        self, have: dict[str, NDArray[Any]], done: set[int], values: Collection[str]
    ) -> dict[str, NDArray[Any]]:
        """Return the arrays that are wanted, or that a later piece reads."""
        later = set(self.graph.moving) - done
        needed = {name for index in later for name in self.graph.operators[index].reads}
        return {name: have[name] for name in have if name in needed or name in values}


def pieces(
    graph: Graph, facts: Facts, read_bytes: Mapping[int, int], limit_bytes: int
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


def _possible_ends(graph: Graph, facts: Facts) -> list[bool]:
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


def _made(graph: Graph, inside: Collection[int], face: Interface) -> tuple[str, ...]:
    """Return what the operators of a piece write, in the graph's order, and what they give."""
    names = [name for index in sorted(inside) for name in graph.operators[index].writes]
    return tuple(dict.fromkeys([*names, *face.outputs]))
