"""What a format gives to have its models looked at, run and cut: an open model."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from fleet.chunks import Chunk
from fleet.formats import FileOperator
from fleet.model_graph.facts import TensorFacts
from fleet.model_graph.graph import Graph
from fleet.model_graph.parts import Interface, with_constants
from wire.manifest import File, ModelRef
from wire.tensors import TensorSpec


@dataclass(frozen=True, slots=True)
class Part:
    """What becomes one segment."""

    name: str
    operators: Sequence[int]
    """Indices in the graph, constant ones included, in order."""
    inputs: Mapping[str, TensorFacts]
    outputs: Mapping[str, TensorFacts]
    metadata: Mapping[str, str]


class SegmentFiles(NamedTuple):
    """What was written for one segment."""

    files: tuple[File, ...]
    chunks: tuple[Chunk, ...]
    weight_bytes: int


class OpenModel(Protocol):
    """A model while it is open."""

    @property
    def format(self) -> str:
        """As manifests name it."""
        ...

    @property
    def ref(self) -> ModelRef:
        """Its name and digest."""
        ...

    @property
    def graph(self) -> Graph[Any]:
        """Its operators; another object once something was folded."""
        ...

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The graph's inputs, in its order."""
        ...

    @property
    def weight_bytes(self) -> int:
        """Of all its tensors."""
        ...

    @property
    def weights(self) -> Mapping[str, int]:
        """Bytes of each weight, in the order of the file."""
        ...

    @property
    def opsets(self) -> Mapping[str, int]:
        """Versions of the sets of operators that it uses, by domain; none: the format has none."""
        ...

    @property
    def operators_in_file(self) -> int:
        """How many there are, those that no output depends on included."""
        ...

    @property
    def times_operators(self) -> bool:
        """Whether its runtime tells what each operator takes."""
        ...

    @property
    def quantised(self) -> bool:
        """Whether whole numbers stand for real ones in it, and kernels that round differ."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What people should know of how it is read."""
        ...

    @property
    def losses(self) -> tuple[str, ...]:
        """What of it no segment carries, for people."""
        ...

    def check_outputs(self) -> None:
        """Check that what the model gives may travel, as far as it says what that is.

        Raises:
            ModelError: There are too many outputs, or one is of a type that may not.
        """
        ...

    def declared(self) -> Mapping[str, TensorFacts]:
        """Return what inputs and outputs declare, by name."""
        ...

    def infer(self, sizes: Mapping[str, tuple[int, ...]] | None = None) -> dict[str, TensorFacts]:
        """Return what is known of all tensors without a run.

        Args:
            sizes: Of the inputs; None: as declared, dimensions keep their names.
        """
        ...

    def fold(self, facts: Mapping[str, TensorFacts], near: Path) -> bool:
        """Compute once what depends on weights alone, where that is small; whether any was.

        ``near`` is a folder for temporary files.
        """
        ...

    def write(self, folder: Path, part: Part) -> SegmentFiles:
        """Write a segment into ``folder``, which exists."""
        ...

    def write_scratch(self, folder: Path, part: Part, *, keep_weights: bool = False) -> None:
        """Write a segment to run it here and now, without digests.

        ``keep_weights``: the folder holds the weights of these operators from a call before.
        """
        ...


def open_part(
    model: OpenModel,
    name: str,
    inside: Collection[int],
    face: Interface,
    known: Mapping[str, TensorFacts],
) -> Part:
    """Return a part to run here and now, whose shapes are left open but for the model's inputs.

    What was inferred may be wrong; what runs is right.
    """
    graph, declared = model.graph, model.declared()

    def facts(tensor: str) -> TensorFacts:
        if tensor in graph.inputs:
            return declared[tensor]
        found = known.get(tensor) or declared.get(tensor)
        return TensorFacts(found.dtype if found else 0)

    return Part(
        name=name,
        operators=with_constants(graph, inside, face.outputs),
        inputs={tensor: facts(tensor) for tensor in face.inputs},
        outputs={tensor: facts(tensor) for tensor in face.outputs},
        metadata={},
    )


def file_operators(model: OpenModel) -> tuple[FileOperator, ...]:
    """Return the operators of ``model``; their work where its runtime tells no operator's time."""
    facts = {} if model.times_operators else model.infer({})
    work = [
        0 if model.times_operators else model.graph.work(index, facts) or 0
        for index in range(len(model.graph.operators))
    ]
    return tuple(
        FileOperator(
            operator.writes[0] if operator.writes else "", operator.constant, operator.kind, macs
        )
        for operator, macs in zip(model.graph.operators, work, strict=True)
    )
