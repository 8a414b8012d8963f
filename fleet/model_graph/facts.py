"""What is known of tensors: element type and shape. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wire.tensors import ELEMENT_TYPES, TensorSpec

Size = int | str
"""A dimension: a number, a name, or empty when nothing is known of it."""
Sizes = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TensorFacts:
    """What is known of one tensor."""

    dtype: int = 0
    """ONNX's number; 0 when it is unknown or no tensor."""
    shape: tuple[Size, ...] | None = None

    @property
    def sizes(self) -> tuple[int, ...] | None:
        """The shape, if every dimension is a number."""
        if self.shape is None:
            return None
        numbers = tuple(size for size in self.shape if isinstance(size, int))
        return numbers if len(numbers) == len(self.shape) else None

    @property
    def movable(self) -> bool:
        """Whether a tensor of this type may cross a cut."""
        return self.dtype in ELEMENT_TYPES

    @property
    def size_bytes(self) -> int:
        """Its size; 0 when it is unknown."""
        if self.sizes is None or not self.movable:
            return 0
        total = ELEMENT_TYPES[self.dtype].size_bytes
        for size in self.sizes:
            total *= size
        return total


def spec(name: str, facts: TensorFacts) -> TensorSpec:
    """Return a tensor's spec."""
    return TensorSpec(name=name, dtype=facts.dtype, shape=facts.shape or ())


def agreeing(
    shapes: Sequence[tuple[Size, ...] | None], seen: Sequence[tuple[Mapping[str, int], Sizes]]
) -> tuple[Size, ...]:
    """Return a tensor's shape with all that is known of it and that real runs agree with.

    Args:
        shapes: As declared and as inferred, where they are; the first that fits a size is taken.
        seen: Of each run, the sizes of the dimensions that the model's inputs name, and what the
            tensor had. Names that no input has are made up, and are not kept.
    """
    rank = len(seen[0][1])
    kept: list[Size] = [""] * rank
    for shape in shapes:
        if shape is None or len(shape) != rank:
            continue
        for axis, asked in enumerate(shape):
            holds = asked != "" and all(
                len(sizes) == rank
                and sizes[axis] == (asked if isinstance(asked, int) else named.get(asked))
                for named, sizes in seen
            )
            if kept[axis] == "" and holds:
                kept[axis] = asked
    return tuple(kept)
