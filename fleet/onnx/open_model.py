"""An open ONNX model, as `fleet.model_graph` looks at it, runs it and cuts it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fleet.model_graph.facts import TensorFacts
from fleet.model_graph.open_model import Part, SegmentFiles
from fleet.onnx import folding, graph, segments, shapes, source, weight_sizes
from fleet.onnx.graph import Graph
from fleet.onnx.source import Source
from wire.manifest import ModelRef
from wire.tensors import TensorSpec

FORMAT: Final = "onnx"


@contextmanager
def opened(path: Path) -> Iterator["OnnxModel"]:
    """Give the model at ``path``; see `fleet.onnx.source.opened`.

    Raises:
        ModelError: No such file, no model, or one that is refused (``model.*``).
    """
    with source.opened(path) as found:
        yield OnnxModel(found)


@dataclass
class OnnxModel:
    """An ONNX model while its files are open; see `fleet.model_graph.open_model.OpenModel`."""

    source: Source
    format: str = FORMAT
    times_operators: bool = True
    quantised: bool = False
    losses: tuple[str, ...] = ()
    graph: Graph = field(init=False)
    weights: Mapping[str, int] = field(init=False)
    inputs: tuple[TensorSpec, ...] = field(init=False)

    def __post_init__(self) -> None:
        self._read()
        self.inputs = shapes.input_specs(self.source.model, self.graph.inputs, self.ref.name)

    @property
    def ref(self) -> ModelRef:
        """Its name and digest."""
        return self.source.ref

    @property
    def weight_bytes(self) -> int:
        """Of all its tensors."""
        return self.source.weight_bytes

    @property
    def opsets(self) -> Mapping[str, int]:
        """Versions of the sets of operators that it uses, by domain."""
        found = self.source.model.opset_import
        return {opset.domain or "ai.onnx": opset.version for opset in found}

    @property
    def operators_in_file(self) -> int:
        """How many there are, those that no output depends on included."""
        return len(self.source.model.graph.node)

    @property
    def notes(self) -> tuple[str, ...]:
        """What people should know of how it is read."""
        count = self.source.functions_written_out
        return (f"functions written out where they are called: {count}",) if count else ()

    def check_outputs(self) -> None:
        """Check what the model gives; see `fleet.onnx.shapes.check_outputs`."""
        shapes.check_outputs(self.source.model, self.ref.name)

    def declared(self) -> Mapping[str, TensorFacts]:
        """Return what inputs and outputs declare, by name."""
        return shapes.declared(self.source.model)

    def infer(self, sizes: Mapping[str, tuple[int, ...]] | None = None) -> dict[str, TensorFacts]:
        """Return what is known of all tensors without a run; see `fleet.onnx.shapes.infer`."""
        return shapes.infer(self.source.model, sizes)

    def fold(self, facts: Mapping[str, TensorFacts], near: Path) -> bool:
        """Compute once what depends on weights alone; see `fleet.onnx.folding.fold`."""
        folded = folding.fold(self.source, self.graph, facts, near) > 0
        if folded:
            self._read()
        return folded

    def write(self, folder: Path, part: Part) -> SegmentFiles:
        """Write a segment into ``folder``; see `fleet.onnx.segments.write`."""
        return segments.write(folder, self.source, self.graph, part)

    def write_scratch(self, folder: Path, part: Part, *, keep_weights: bool = False) -> None:
        """Write a segment to run it here; see `fleet.onnx.segments.write_scratch`."""
        segments.write_scratch(folder, self.source, self.graph, part, keep_weights=keep_weights)

    def _read(self) -> None:
        model = self.source.model
        self.graph = graph.read(model.graph, self.ref.name, model.functions)
        self.weights = {t.name: weight_sizes.of_tensor(t) for t in model.graph.initializer}
