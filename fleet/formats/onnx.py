"""ONNX models: read, run once for reference, cut, and write as segments."""

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from fleet import golden_files, inputs
from fleet.chunks import Chunk
from fleet.compare import tolerance_for
from fleet.formats import CutModel, CutRequest, segment_names
from fleet.onnx import cuts as onnx_cuts
from fleet.onnx import folding as onnx_folding
from fleet.onnx import graph as onnx_graph
from fleet.onnx import parts as onnx_parts
from fleet.onnx import segments as onnx_segments
from fleet.onnx import shapes as onnx_shapes
from fleet.onnx import source as onnx_source
from fleet.onnx.cost import peak_activation_bytes
from fleet.onnx.cuts import Plan
from fleet.onnx.graph import Graph
from fleet.onnx.parts import Interface
from fleet.onnx.reference import Reference
from fleet.onnx.segments import Part
from fleet.onnx.shapes import TensorFacts
from fleet.onnx.source import Source
from wire import codecs
from wire.manifest import ModelRef, Segment
from wire.tensors import TensorSpec

Facts = Mapping[str, TensorFacts]


class OnnxFormat:
    """Cuts ONNX models; see ``ModelFormat``."""

    def identify(self, model: Path) -> ModelRef:
        """Return the model's name and digest; see ``ModelFormat``."""
        return onnx_source.identify(model)

    def cut(self, model: Path, request: CutRequest, folder: Path) -> CutModel:
        """Cut ``model`` and write its segments; see ``ModelFormat``."""
        with (
            onnx_source.opened(model) as source,
            tempfile.TemporaryDirectory(prefix="scratch-", dir=folder.parent) as scratch,
        ):
            return _cut(source, request, folder, Path(scratch))


def _cut(source: Source, request: CutRequest, folder: Path, scratch: Path) -> CutModel:
    graph = _read(source)
    specs = onnx_shapes.input_specs(source.model, graph.inputs, source.ref.name)
    sample = inputs.requested(specs, request)
    facts = onnx_shapes.infer(source.model, sample.sizes)
    folded = onnx_folding.fold(source, graph, facts, scratch)
    if folded:
        graph = _read(source)
        facts = onnx_shapes.infer(source.model, sample.sizes)
    reference = Reference(source, graph, scratch / "reference", facts)
    _measure_missing(reference, sample)
    plan = onnx_cuts.plan(graph, facts, request, source.ref.name)
    seen = reference.run(sample, values={*plan.crossing_tensors, *graph.outputs})
    values = {**sample.arrays, **seen.values}
    cut = _Cut(source, graph, plan, values, _declared(source, sample, values))
    names = segment_names(len(plan.segments))
    written = [cut.write(folder, name, i, facts) for i, name in enumerate(names)]
    return CutModel(
        model=source.ref,
        inputs=specs,
        outputs=cut.specs(graph.outputs),
        segments=tuple(segment for segment, _ in written),
        crossings=tuple(cut.specs(names) for names in plan.crossings),
        crossing_bytes=tuple(
            sum(values[name].nbytes for name in names) for names in plan.crossings
        ),
        costs=plan.costs,
        chunks={segment.name: chunks for segment, chunks in written},
        notes=tuple(_notes(cut, sample)),
    )


def _read(source: Source) -> Graph:
    return onnx_graph.read(source.model.graph, source.ref.name, source.model.functions)


@dataclass(frozen=True, slots=True)
class _Cut:
    """A model with its cuts chosen and its reference values known."""

    source: Source
    graph: Graph
    plan: Plan
    values: Mapping[str, NDArray[Any]]
    declared: Facts

    def specs(self, names: Iterable[str]) -> tuple[TensorSpec, ...]:
        """Return the specs of tensors that a run gave values for."""
        return tuple(onnx_shapes.spec(name, self.declared[name]) for name in names)

    def write(
        self, folder: Path, name: str, index: int, concrete: Facts
    ) -> tuple[Segment, tuple[Chunk, ...]]:
        """Write segment ``index`` to ``folder/name``; describe it, and its weights' chunks."""
        face = self.plan.interfaces[index]
        inside = onnx_parts.with_constants(self.graph, self.plan.segments[index], face.outputs)
        part = Part(
            name=name,
            operators=inside,
            inputs={tensor: self.declared[tensor] for tensor in face.inputs},
            outputs={tensor: self.declared[tensor] for tensor in face.outputs},
            metadata=self._metadata(index),
        )
        place = folder / name
        place.mkdir()
        written = onnx_segments.write(place, self.source, self.graph, part)
        golden = golden_files.write(
            place,
            {tensor: self.values[tensor] for tensor in face.inputs},
            {tensor: self.values[tensor] for tensor in face.outputs},
        )
        peak = peak_activation_bytes(self.graph, inside, face, concrete)
        segment = Segment(
            name=name,
            format="onnx",
            files=tuple(sorted((*written.files, golden), key=lambda file: file.name)),
            inputs=self.specs(face.inputs),
            outputs=self.specs(face.outputs),
            operators=len(inside),
            weight_bytes=written.weight_bytes,
            peak_bytes=written.weight_bytes + peak,
            tolerance=tolerance_for([self.values[tensor] for tensor in face.outputs]),
        )
        return segment, written.chunks

    def _metadata(self, index: int) -> dict[str, str]:
        """Return what a segment says of itself to whoever finds it alone."""
        face = self.plan.interfaces[index]
        return {
            "paceline.source": self.source.ref.sha256,
            "paceline.plan": json.dumps(self.plan.crossings),
            "paceline.stage": f"{index + 1} of {len(self.plan.segments)}",
            "paceline.cut_in": json.dumps(face.inputs),
            "paceline.cut_out": json.dumps(face.outputs),
        }


def _measure_missing(reference: Reference, sample: inputs.Sample) -> None:
    """Add types and sizes that inference does not know to the reference's facts, from a run."""
    graph, facts = reference.graph, reference.facts
    missing = [
        name
        for index in graph.moving
        for name in graph.operators[index].writes
        if name not in facts or (facts[name].movable and facts[name].sizes is None)
    ]
    if missing:
        seen = reference.run(sample, sizes=missing)
        facts.update((s.name, TensorFacts(s.dtype, s.shape)) for s in seen.sizes.values())


def _declared(
    source: Source, sample: inputs.Sample, values: Mapping[str, NDArray[Any]]
) -> dict[str, TensorFacts]:
    """Return types and shapes of the tensors that have values, dynamic dimensions kept."""
    symbolic = onnx_shapes.infer(source.model)
    declared = onnx_shapes.declared(source.model)
    facts: dict[str, TensorFacts] = {}
    for name, (dtype, sizes) in codecs.describe(values).items():
        if name in sample.arrays:
            facts[name] = declared[name]
        else:
            shapes = [known[name].shape for known in (declared, symbolic) if name in known]
            facts[name] = TensorFacts(dtype, onnx_shapes.agreeing(shapes, sample.named, sizes))
    return facts


def _notes(cut: _Cut, sample: inputs.Sample) -> Iterator[str]:
    if sample.guessed:
        guesses = ", ".join(f"{name}={size}" for name, size in sample.guessed.items())
        yield f"sizes guessed for the reference run: {guesses}"
    copies = _copies(cut.graph, cut.plan.segments, cut.plan.interfaces)
    if copies:
        yield f"operators on weights alone that several segments compute: {copies}"


def _copies(
    graph: Graph, segments: Sequence[frozenset[int]], interfaces: Sequence[Interface]
) -> int:
    """Return how many constant operators stand in more than one segment."""
    seen: dict[int, int] = {}
    for inside, face in zip(segments, interfaces, strict=True):
        for index in onnx_parts.with_constants(graph, inside, face.outputs):
            seen[index] = seen.get(index, 0) + 1
    return sum(1 for count in seen.values() if count > 1)


PLUGIN = OnnxFormat
