"""ONNX models: read, run once for reference, cut, and write as segments."""

from contextlib import AbstractContextManager
from pathlib import Path

import onnx

from fleet.formats import FileOperator
from fleet.model_graph.graph_format import GraphFormat
from fleet.model_graph.open_model import OpenModel
from fleet.onnx import graph as onnx_graph
from fleet.onnx import open_model
from fleet.onnx import source as onnx_source
from fleet.onnx.segments import MODEL_FILE
from wire.manifest import ModelRef


class OnnxFormat(GraphFormat):
    """Cuts ONNX models; see ``ModelFormat``."""

    def identify(self, model: Path) -> ModelRef:
        """Return the model's name and digest; see ``ModelFormat``."""
        return onnx_source.identify(model)

    def opened(
        self,
        model: Path,
        *,
        fixed_sizes: bool = False,  # noqa: ARG002 its files have none of what varies
    ) -> AbstractContextManager[OpenModel]:
        """Give ``model`` open; see `GraphFormat`."""
        return open_model.opened(model)

    def operators(self, segment: Path) -> tuple[FileOperator, ...]:
        """Return the operators of a segment's folder; see ``ModelFormat``."""
        model = onnx.load(segment / MODEL_FILE, load_external_data=False)
        graph = onnx_graph.read(model.graph, segment.name, model.functions)
        moving = {
            name
            for operator in graph.operators
            if not operator.constant
            for name in operator.writes
        }
        written = [[name for name in node.output if name] for node in model.graph.node]
        return tuple(
            FileOperator(
                names[0] if names else "",
                constant=not moving.intersection(names),
                kind=node.op_type,
            )
            for node, names in zip(model.graph.node, written, strict=True)
        )


PLUGIN = OnnxFormat
