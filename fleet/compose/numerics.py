"""The steps of an adapter, computed by numpy: what the adapter's own operators are checked against.

Pure.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleet.compose.contract import (
    Cast,
    Dequantize,
    Quantize,
    Reshape,
    Step,
    Transpose,
)
from wire import codecs


def applied(steps: Sequence[Step], array: NDArray[Any]) -> NDArray[Any]:
    """Return what ``steps`` make of ``array``, contiguous."""
    for step in steps:
        array = _applied(step, array)
    return np.ascontiguousarray(array).reshape(array.shape)


def quanta_apart(steps: Sequence[Step], got: NDArray[Any], expected: NDArray[Any]) -> float | None:
    """Return how far an adapter's result is from numpy's, in quanta; None: not the same kind.

    0 where nothing is quantised and all is equal bit by bit; infinite where it is not.
    """
    if got.shape != expected.shape or got.dtype != expected.dtype:
        return None
    if got.tobytes() == expected.tobytes():
        return 0.0
    quantum = _quantum(steps)
    if not quantum:
        return float("inf")
    apart = np.abs(got.astype(np.float64) - expected.astype(np.float64)) / quantum
    return float(apart.max(initial=0.0))


def _quantum(steps: Sequence[Step]) -> float:
    """Return the size of one step of the result; 0: it is not quantised, nor was it."""
    quantum = 0.0
    for step in steps:
        if isinstance(step, Quantize):
            quantum = 1.0
        elif isinstance(step, Dequantize):
            quantum = step.of.scale
    return quantum


def _applied(step: Step, array: NDArray[Any]) -> NDArray[Any]:
    match step:
        case Transpose(order):
            return array.transpose(order)
        case Reshape(shape):
            return array.reshape([size if isinstance(size, int) else -1 for size in shape])
        case Cast(dtype):
            with np.errstate(over="ignore"):
                return array.astype(codecs.DTYPES[dtype])
        case Quantize(dtype, to):
            kind = codecs.DTYPES[dtype]
            limits = np.iinfo(kind)
            steps = np.rint(array / np.float32(to.scale)) + np.float32(to.zero_point)
            return np.clip(steps, limits.min, limits.max).astype(kind)
        case Dequantize(of, _):
            apart = array.astype(np.int32) - np.int32(of.zero_point)
            return apart.astype(np.float32) * np.float32(of.scale)
