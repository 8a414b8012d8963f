"""Run a whole ONNX model in a child and look inside: any of its tensors can be asked for."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from fleet import children
from fleet.children import RunOptions
from fleet.errors import ChildFailedError, NeedsExampleError, NotRunnableError
from fleet.inputs import Sample
from fleet.onnx import segments as onnx_segments
from fleet.onnx import shapes as onnx_shapes
from fleet.onnx.graph import Graph
from fleet.onnx.parts import with_constants
from fleet.onnx.segments import Part
from fleet.onnx.shapes import TensorFacts
from fleet.onnx.source import Source


@dataclass(frozen=True, slots=True)
class Reference:
    """A model, its graph, and one sample to run it with."""

    source: Source
    graph: Graph
    sample: Sample

    def sizes(
        self, tensors: Sequence[str], facts: Mapping[str, TensorFacts]
    ) -> dict[str, TensorFacts]:
        """Return what types and sizes ``tensors`` really have in a run with the sample.

        Raises:
            NeedsExampleError: It does not run with the sizes that were guessed.
            NotRunnableError: It does not run.
        """
        report = self._run(tensors, facts, fetch=[]).report
        return {
            spec.name: TensorFacts(spec.dtype, spec.shape)
            for spec in report.outputs
            if spec.name in tensors
        }

    def values(
        self, tensors: Sequence[str], facts: Mapping[str, TensorFacts]
    ) -> dict[str, NDArray[Any]]:
        """Return the values of ``tensors`` and of the outputs, for the sample.

        Raises:
            NeedsExampleError: It does not run with the sizes that were guessed.
            NotRunnableError: It does not run.
        """
        (values,) = self._run(tensors, facts, fetch=None).outputs
        return values

    def _run(
        self, tensors: Sequence[str], facts: Mapping[str, TensorFacts], fetch: list[str] | None
    ) -> children.Run:
        declared = onnx_shapes.declared(self.source.model)
        wanted = dict.fromkeys([*self.graph.outputs, *tensors])
        part = Part(
            name="whole",
            operators=with_constants(self.graph, self.graph.moving, self.graph.outputs),
            inputs={name: declared[name] for name in self.graph.inputs},
            # shapes are left open: what was inferred may be wrong, what runs is right
            outputs={
                name: TensorFacts(facts[name].dtype if name in facts else 0) for name in wanted
            },
            metadata={},
        )
        with tempfile.TemporaryDirectory(prefix="paceline-") as name:
            onnx_segments.write(Path(name), self.source.model, self.graph, part)
            try:
                return children.run(Path(name), [self.sample.arrays], RunOptions(), fetch=fetch)
            except ChildFailedError as error:
                model = self.source.ref.name
                if self.sample.made_up and error.child_code == "runtime.failed":
                    raise NeedsExampleError(model, self.sample.guessed, error.reason) from error
                raise NotRunnableError(model, error.reason) from error
