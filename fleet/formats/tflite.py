"""TFLite models: read, run once for reference, cut, and write as segments."""

from contextlib import AbstractContextManager
from pathlib import Path

from fleet.formats import FileOperator
from fleet.model_graph import open_model as open_models
from fleet.model_graph.graph_format import GraphFormat
from fleet.model_graph.open_model import OpenModel, file_operators
from fleet.model_graph.parts import Interface
from fleet.tflite import open_model
from fleet.tflite import source as tflite_source
from fleet.tflite.segments import MODEL_FILE
from wire.manifest import ModelRef


class TfliteFormat(GraphFormat):
    """Cuts TFLite models; see ``ModelFormat``."""

    def identify(self, model: Path) -> ModelRef:
        """Return the model's name and digest; see ``ModelFormat``."""
        return tflite_source.identify(model)

    def opened(
        self, model: Path, *, fixed_sizes: bool = False
    ) -> AbstractContextManager[OpenModel]:
        """Give ``model`` open; see `GraphFormat`."""
        return open_model.opened(model, fixed_sizes=fixed_sizes)

    def runnable(self, model: Path, folder: Path) -> Path:
        """Return ``model`` itself, or a copy whose ends have names of their own."""
        with open_model.opened(model) as found:
            if found.source.names_ends:
                return model
            graph = found.graph
            face = Interface(graph.inputs, graph.outputs)
            part = open_models.open_part(found, "whole", graph.moving, face, found.infer())
            found.write_scratch(folder, part)
        return folder

    def operators(self, segment: Path) -> tuple[FileOperator, ...]:
        """Return the operators of a segment's folder; see ``ModelFormat``."""
        with open_model.opened(segment / MODEL_FILE) as found:
            return file_operators(found)


PLUGIN = TfliteFormat
