"""What is at the border of a model file; one file each format, named as manifests name it.

A border is read as contracts, and written: tensors get other names, and adapters become operators
of the file. It is all done to the file in a segment's folder, which must be ours.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from fleet.compose.contract import Contract, Quantisation, Size, Step
from fleet.model_graph.open_model import OpenModel

ADAPTED: Final = "adapted"
"""The output of an adapter alone."""


class Face(NamedTuple):
    """What a model takes and gives."""

    inputs: tuple[Contract, ...]
    outputs: tuple[Contract, ...]
    names: frozenset[str]
    """Of all its tensors."""


class Change(NamedTuple):
    """What becomes of one input or output."""

    name: str
    """Of the segment's own tensor."""
    outside: Contract
    """The tensor that travels, under its name there."""
    steps: tuple[Step, ...] = ()
    """From the tensor that travels to the segment's own, or for an output the other way."""


class Border(Protocol):
    """Reads and writes borders of one format's files."""

    MODEL_FILE: str
    """The file's name in a segment's folder."""

    def read(self, model: Path, stage: int) -> Face:
        """Return what the file of a model or segment takes and gives.

        Raises:
            CodedError: It cannot be read.
        """
        ...

    def write(self, model: Path, inputs: Sequence[Change], outputs: Sequence[Change]) -> None:
        """Change the file of a segment so that its inputs and outputs are these, in order.

        Raises:
            StageError: The file's format has no operator for a step.
        """
        ...

    def alone(self, model: Path, like: Path, made: Contract, steps: Sequence[Step]) -> None:
        """Write a file ``model`` that holds an adapter alone, from ``made`` to ``adapted``.

        ``like`` is the segment's file: it says which versions of operators there are.

        Raises:
            StageError: The file's format has no operator for a step.
        """
        ...


class Meaning(NamedTuple):
    """What a tensor's integers stand for, as far as its file says it."""

    quantisation: Quantisation | None = None
    per_channel: bool = False


def face(
    found: OpenModel,
    stage: int,
    names: frozenset[str],
    of_input: Callable[[str], Meaning],
    of_output: Callable[[str], Meaning],
) -> Face:
    """Return what an open model takes and gives; the rest is what its format alone knows.

    Raises:
        ModelError: What it gives may not travel.
    """
    found.check_outputs()
    declared = found.declared()

    def contract(name: str, dtype: int, shape: Iterable[Size], meaning: Meaning) -> Contract:
        return Contract(
            stage=stage,
            format=found.format,
            name=name,
            dtype=dtype,
            shape=tuple(shape),
            quantisation=meaning.quantisation,
            per_channel=meaning.per_channel,
        )

    return Face(
        tuple(contract(s.name, s.dtype, s.shape, of_input(s.name)) for s in found.inputs),
        tuple(
            contract(name, declared[name].dtype, declared[name].shape or (), of_output(name))
            for name in found.graph.outputs
        ),
        names,
    )
