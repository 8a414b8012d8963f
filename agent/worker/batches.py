"""Several frames run at once: their arrays one behind the other, and apart again. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]


def alike(inputs: Sequence[Arrays]) -> Iterator[tuple[int, int]]:
    """Yield the ranges [first, end) of neighbours that may run together.

    They differ in their first dimension alone.
    """
    first = 0
    for end in range(1, len(inputs) + 1):
        if end == len(inputs) or _form(inputs[end]) != _form(inputs[first]):
            yield first, end
            first = end


def joined(inputs: Sequence[Arrays]) -> dict[str, NDArray[Any]]:
    """Return the arrays of several frames, one frame's rows behind the other's; copies them."""
    return {name: np.concatenate([arrays[name] for arrays in inputs]) for name in inputs[0]}


def parted(outputs: Arrays, rows: Sequence[int]) -> list[dict[str, NDArray[Any]]] | None:
    """Return each frame's rows of the outputs, as views; None: an output has another number.

    Args:
        outputs: Of all frames together.
        rows: How many of them each frame has.
    """
    if any(not array.shape or array.shape[0] != sum(rows) for array in outputs.values()):
        return None
    ends = np.cumsum(rows)
    return [
        {name: array[end - count : end] for name, array in outputs.items()}
        for end, count in zip(ends, rows, strict=True)
    ]


def rows(inputs: Arrays) -> int:
    """Return how many rows a frame has; 0: its arrays do not agree."""
    counts = {array.shape[0] for array in inputs.values() if array.shape}
    return counts.pop() if len(counts) == 1 else 0


def _form(inputs: Arrays) -> Any:
    return rows(inputs) > 0, {name: (a.dtype, a.shape[1:]) for name, a in inputs.items()}
