"""An open TFLite model, as `fleet.model_graph` looks at it, runs it and cuts it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from fleet.cuts.graph import MAX_TENSORS
from fleet.model_graph import facts as tensor_facts
from fleet.model_graph.facts import Size, TensorFacts
from fleet.model_graph.open_model import Part, SegmentFiles
from fleet.tflite import graph, segments, source
from fleet.tflite.graph import Graph
from fleet.tflite.source import Source
from wire.manifest import ModelRef
from wire.model.errors import ModelError
from wire.tensors import TensorSpec
from wire.tflite.element_types import ELEMENT_TYPES
from wire.tflite.structure import Tensor

FORMAT: Final = "tflite"
BATCH: Final = "batch"
"""What the first dimension is called where it varies; files name no dimension."""


@contextmanager
def opened(path: Path, *, fixed_sizes: bool = False) -> Iterator["TfliteModel"]:
    """Give the model at ``path``; see `fleet.tflite.source.opened`.

    With ``fixed_sizes`` none of its sizes varies: they are those that it was converted with.

    Raises:
        CodedError: No such file, no model, or one that is refused (``model.*``).
    """
    with source.opened(path) as found:
        varies = fixed_sizes and any(tensor.signature for tensor in found.graph.tensors)
        yield TfliteModel(_fixed(found) if varies else found, fixed=varies)


@dataclass
class TfliteModel:
    """A TFLite model while its file is open; see `fleet.model_graph.open_model.OpenModel`."""

    source: Source
    fixed: bool = False
    """Whether some of its sizes varied, and were fixed."""
    format: str = FORMAT
    times_operators: bool = False
    opsets: Mapping[str, int] = field(default_factory=dict)
    graph: Graph = field(init=False)
    inputs: tuple[TensorSpec, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.graph = graph.read(self.source)
        self.inputs = self._ends(self.graph.inputs, "input")

    @property
    def ref(self) -> ModelRef:
        """Its name and digest."""
        return self.source.ref

    @property
    def weight_bytes(self) -> int:
        """Of all its constants."""
        sizes = {
            tensor.buffer: 0 if (data := self.source.data(index)) is None else len(data)
            for index, tensor in enumerate(self.source.graph.tensors)
        }
        return sum(sizes.values())

    @cached_property
    def weights(self) -> Mapping[str, int]:
        """Bytes of each constant, in the order of the file."""
        found = {}
        for index, name in enumerate(self.source.names):
            data = self.source.data(index)
            if name in self.graph.initializers:
                found[name] = 0 if data is None else len(data)
        return found

    @property
    def quantised(self) -> bool:
        """Whether a tensor that is computed has a scale."""
        tensors = self.source.graph.tensors
        return any(
            tensor.quantization is not None
            and bool(tensor.quantization.scales)
            and ELEMENT_TYPES[tensor.type].onnx is not None
            and self.source.data(index) is None
            for index, tensor in enumerate(tensors)
        )

    @property
    def operators_in_file(self) -> int:
        """How many there are, those that no output depends on included."""
        return len(self.source.graph.operators)

    @property
    def notes(self) -> tuple[str, ...]:
        """What people should know of how it is read."""
        count = self.source.renamed
        names = f"tensors without a name of their own, which got one: {count}"
        sizes = "sizes that vary in the model are fixed in its segments"
        return (*([names] if count else ()), *([sizes] if self.fixed else ()))

    @property
    def losses(self) -> tuple[str, ...]:
        """What of it no segment carries, for people."""
        return (*self.notes, *segments.losses(self.source))

    def check_outputs(self) -> None:
        """Check that what the model gives may travel.

        Raises:
            ModelError: There are too many outputs, or one is of a type that may not.
        """
        self._ends(self.graph.outputs, "output")

    def declared(self) -> Mapping[str, TensorFacts]:
        """Return what inputs and outputs declare, by name."""
        return {name: self._symbolic[name] for name in (*self.graph.outputs, *self.graph.inputs)}

    def infer(self, sizes: Mapping[str, tuple[int, ...]] | None = None) -> dict[str, TensorFacts]:
        """Return what is known of all tensors without a run.

        The file tells shapes for the sizes that it was converted with; of others only the inputs'
        are known, and the constants'.
        """
        if sizes is None:
            return dict(self._symbolic)
        static = self._static
        if all(static[name].shape == size for name, size in sizes.items()):
            return dict(static)
        found = {
            name: facts if name in self.graph.initializers else TensorFacts(facts.dtype)
            for name, facts in static.items()
        }
        return found | {name: TensorFacts(static[name].dtype, sizes[name]) for name in sizes}

    def fold(self, facts: Mapping[str, TensorFacts], near: Path) -> bool:  # noqa: ARG002
        """Leave all as it is: what depends on constants alone every interpreter computes once."""
        return False

    def write(self, folder: Path, part: Part) -> SegmentFiles:
        """Write a segment into ``folder``; see `fleet.tflite.segments.write`."""
        return segments.write(folder, self.source, self.graph, part)

    def write_scratch(self, folder: Path, part: Part, *, keep_weights: bool = False) -> None:  # noqa: ARG002
        """Write a segment to run it here, its constants in the one file that there is."""
        segments.write_scratch(folder, self.source, self.graph, part)

    @cached_property
    def _static(self) -> dict[str, TensorFacts]:
        """Types and shapes as the file has them."""
        return {
            name: TensorFacts(_dtype(tensor), tensor.shape if known else None)
            for name, tensor, known in self._tensors()
        }

    @cached_property
    def _symbolic(self) -> dict[str, TensorFacts]:
        """The same, with names for what varies."""
        return {
            name: TensorFacts(_dtype(tensor), _shape(tensor) if known else None)
            for name, tensor, known in self._tensors()
        }

    def _tensors(self) -> Iterator[tuple[str, Tensor, bool]]:
        for index, tensor in enumerate(self.source.graph.tensors):
            yield self.source.names[index], tensor, self.source.has_shape(index)

    def _ends(self, names: tuple[str, ...], what: str) -> tuple[TensorSpec, ...]:
        source = self.ref.name
        if len(names) > MAX_TENSORS:
            rule = f"has {len(names)} {what}s (at most {MAX_TENSORS} travel in one frame)"
            raise ModelError(source, "", rule)
        for name in names:
            if not self._symbolic[name].movable:
                rule = "is of a type that may not travel in frames"
                raise ModelError(source, f"{what} {name!r:.80}", rule)
        return tuple(tensor_facts.spec(name, self._symbolic[name]) for name in names)


def _fixed(found: Source) -> Source:
    """Return a model of which no size varies."""
    for tensor in found.model.subgraphs[0].tensors:
        tensor.shapeSignature = None
    tensors = tuple(tensor._replace(signature=None) for tensor in found.graph.tensors)
    graphs = (found.graph._replace(tensors=tensors),)
    return replace(found, structure=found.structure._replace(graphs=graphs))


def _dtype(tensor: Tensor) -> int:
    return ELEMENT_TYPES[tensor.type].onnx or 0


def _shape(tensor: Tensor) -> tuple[Size, ...]:
    """Return the shape, its first dimension named where it varies, others that do left open."""
    found = tensor.signature or tensor.shape
    return tuple(
        size if size >= 0 else BATCH if axis == 0 else "" for axis, size in enumerate(found)
    )
