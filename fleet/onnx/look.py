"""See a model's tensors and operators: by inference, or by one run where that does not do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fleet.formats import Tell
from fleet.inputs import Sample
from fleet.onnx import folding as onnx_folding
from fleet.onnx import graph as onnx_graph
from fleet.onnx import shapes as onnx_shapes
from fleet.onnx.graph import Graph
from fleet.onnx.reference import Reference
from fleet.onnx.shapes import TensorFacts
from fleet.onnx.source import Source


@dataclass(slots=True)
class Look:
    """A model with one sample, and what is known of its tensors and operators so far."""

    source: Source
    graph: Graph
    sample: Sample
    facts: dict[str, TensorFacts]
    """Types and sizes of tensors, for the sample."""
    reference: Reference
    seconds: Mapping[int, float] = field(default_factory=dict)
    """Of each operator, by index; empty where they were not timed."""
    was_run: bool = False

    def missing(self) -> list[str]:
        """Return the tensors whose type or sizes are not known."""
        return [
            name
            for index in self.graph.moving
            for name in self.graph.operators[index].writes
            if name not in self.facts
            or (self.facts[name].movable and self.facts[name].sizes is None)
        ]

    def closer(self, tell: Tell, *, time: bool) -> None:
        """Run the model, if types or sizes are missing or its operators must be timed.

        Raises:
            CodedError: It does not run.
        """
        missing = self.missing()
        if not missing and not time:
            return
        tell("timing the model's operators" if time else "running the model for its shapes")
        (seen,) = self.reference.run([self.sample], sizes=missing, profile=time)
        self.facts.update((s.name, TensorFacts(s.dtype, s.shape)) for s in seen.sizes.values())
        self.seconds = seen.operator_seconds
        self.was_run = True


def read(source: Source) -> Graph:
    """Return the graph of a model.

    Raises:
        ModelError: It is none that can be run.
    """
    return onnx_graph.read(source.model.graph, source.ref.name, source.model.functions)


def first(source: Source, sample: Sample, scratch: Path) -> Look:
    """Return what inference knows of the model; ``scratch`` is a folder to run it from."""
    graph = read(source)
    facts = onnx_shapes.infer(source.model, sample.sizes)
    reference = Reference(source, graph, scratch / "reference", facts)
    return Look(source, graph, sample, facts, reference)


def folded(source: Source, sample: Sample, scratch: Path) -> Look:
    """Return the same after what depends on weights alone was computed, where that is small."""
    look = first(source, sample, scratch)
    if onnx_folding.fold(source, look.graph, look.facts, scratch):
        look = first(source, sample, scratch)
    return look
