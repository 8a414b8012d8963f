"""ONNX models: read, run once for reference, cut, and write as segments."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from fleet import digests, golden_files, inputs
from fleet.compare import tolerance_for
from fleet.formats import CutModel, CutRequest, segment_names
from fleet.onnx import cuts as onnx_cuts
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
        source = onnx_source.load(model)
        graph = onnx_graph.read(source.model.graph, model.name, source.model.functions)
        specs = onnx_shapes.input_specs(source.model, graph.inputs, model.name)
        sample = inputs.requested(specs, request)
        reference = Reference(source, graph, sample)
        concrete = _concrete(reference)
        plan = onnx_cuts.plan(graph, concrete, request, model.name)
        values = {**sample.arrays, **reference.values(plan.crossing_tensors, concrete)}
        cut = _Cut(source, graph, plan, values, _declared(reference, values))
        names = segment_names(len(plan.segments))
        segments = [cut.write(folder, name, i, concrete) for i, name in enumerate(names)]
        return CutModel(
            model=source.ref,
            inputs=specs,
            outputs=cut.specs(graph.outputs),
            segments=tuple(segments),
            crossings=tuple(cut.specs(names) for names in plan.crossings),
            crossing_bytes=tuple(
                sum(values[name].nbytes for name in names) for names in plan.crossings
            ),
            costs=plan.costs,
            cut_space=plan.cut_space,
            notes=(*plan.notes, *_notes(graph, plan, sample)),
        )


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

    def write(self, folder: Path, name: str, index: int, concrete: Facts) -> Segment:
        """Write segment ``index`` to ``folder/name`` and describe it."""
        face = self.plan.interfaces[index]
        inside = onnx_parts.with_constants(self.graph, self.plan.segments[index], face.outputs)
        part = Part(
            name=name,
            operators=inside,
            inputs={tensor: self.declared[tensor] for tensor in face.inputs},
            outputs={tensor: self.declared[tensor] for tensor in face.outputs},
            metadata=_metadata(self.source, face),
        )
        place = folder / name
        place.mkdir()
        weight_bytes = onnx_segments.write(place, self.source.model, self.graph, part)
        golden_files.write(
            place,
            {tensor: self.values[tensor] for tensor in face.inputs},
            {tensor: self.values[tensor] for tensor in face.outputs},
        )
        return Segment(
            name=name,
            format="onnx",
            files=digests.files(place),
            inputs=self.specs(face.inputs),
            outputs=self.specs(face.outputs),
            operators=len(inside),
            weight_bytes=weight_bytes,
            peak_bytes=weight_bytes + peak_activation_bytes(self.graph, inside, face, concrete),
            tolerance=tolerance_for([self.values[tensor] for tensor in face.outputs]),
        )


def _concrete(reference: Reference) -> dict[str, TensorFacts]:
    """Return types and sizes of all tensors for the sample: inferred, or else from a run."""
    found = onnx_shapes.infer(reference.source.model, reference.sample.sizes)
    graph = reference.graph
    missing = [
        name
        for index in graph.moving
        for name in graph.operators[index].writes
        if name not in found or (found[name].movable and found[name].sizes is None)
    ]
    if missing:
        found |= reference.sizes(missing, found)
    return found


def _declared(reference: Reference, values: Mapping[str, NDArray[Any]]) -> dict[str, TensorFacts]:
    """Return types and shapes of the tensors that have values, dynamic dimensions kept."""
    symbolic = onnx_shapes.infer(reference.source.model)
    declared = onnx_shapes.declared(reference.source.model)
    sample = reference.sample
    facts: dict[str, TensorFacts] = {}
    for name, (dtype, sizes) in codecs.describe(values).items():
        if name in sample.arrays:
            facts[name] = declared[name]
        else:
            shapes = [known[name].shape for known in (declared, symbolic) if name in known]
            facts[name] = TensorFacts(dtype, onnx_shapes.agreeing(shapes, sample.named, sizes))
    return facts


def _metadata(source: Source, face: Interface) -> dict[str, str]:
    return {
        "paceline.source": source.ref.sha256,
        "paceline.cut_in": json.dumps(face.inputs),
        "paceline.cut_out": json.dumps(face.outputs),
    }


def _notes(graph: Graph, plan: Plan, sample: inputs.Sample) -> tuple[str, ...]:
    notes = []
    if sample.guessed:
        guesses = ", ".join(f"{name}={size}" for name, size in sample.guessed.items())
        notes.append(f"sizes guessed for the reference run: {guesses}")
    copies = _copies(graph, plan.segments, plan.interfaces)
    if copies:
        notes.append(f"operators on weights alone that several segments compute: {copies}")
    return tuple(notes)


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
