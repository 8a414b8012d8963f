"""See a model's tensors and operators: by inference, or by one run where that does not do."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fleet import inputs
from fleet.formats import Tell
from fleet.inputs import Sample
from fleet.onnx import folding as onnx_folding
from fleet.onnx import graph as onnx_graph
from fleet.onnx import shapes as onnx_shapes
from fleet.onnx.graph import Graph
from fleet.onnx.reference import Reference
from fleet.onnx.shapes import TensorFacts
from fleet.onnx.source import Source
from fleet.survey import SurveyRequest

Facts = dict[str, TensorFacts]


@dataclass(frozen=True, slots=True)
class Look:
    """A model, and what is known of its tensors and operators."""

    source: Source
    graph: Graph
    sample: Sample
    facts: Facts
    seconds: Mapping[int, float]
    """Of each operator, by index; empty where they were not timed."""
    was_run: bool


def look(source: Source, request: SurveyRequest, scratch: Path, tell: Tell) -> Look:
    """Return what can be seen of the model; ``scratch`` is a folder to run it from.

    Raises:
        CodedError: The inputs are not those of the model, or it does not run.
    """
    graph = _read(source)
    specs = onnx_shapes.input_specs(source.model, graph.inputs, source.ref.name)
    if request.arrays is not None:
        sample = inputs.given(specs, request.arrays, "the golden frames")
    else:
        sample = inputs.requested(specs, request.sampling)
    facts = onnx_shapes.infer(source.model, sample.sizes)
    if not request.time and not _missing(graph, facts):
        return Look(source, graph, sample, facts, {}, was_run=False)
    if onnx_folding.fold(source, graph, facts, scratch):
        graph = _read(source)
        facts = onnx_shapes.infer(source.model, sample.sizes)
    missing = _missing(graph, facts)
    if not request.time and not missing:
        return Look(source, graph, sample, facts, {}, was_run=False)
    tell("timing the operators" if request.time else "running the model for its shapes")
    reference = Reference(source, graph, scratch / "reference", facts)
    (seen,) = reference.run([sample], sizes=missing, profile=request.time)
    facts.update((s.name, TensorFacts(s.dtype, s.shape)) for s in seen.sizes.values())
    return Look(source, graph, sample, facts, seen.operator_seconds, was_run=True)


def _read(source: Source) -> Graph:
    return onnx_graph.read(source.model.graph, source.ref.name, source.model.functions)


def _missing(graph: Graph, facts: Facts) -> list[str]:
    """Return the tensors whose type or sizes inference does not know."""
    return [
        name
        for index in graph.moving
        for name in graph.operators[index].writes
        if name not in facts or (facts[name].movable and facts[name].sizes is None)
    ]
