"""Elements as they lie in memory: C order, little-endian, nothing copied."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from wire.codecs import DTYPES, dtype_number
from wire.errors import FrameError
from wire.frame import Tensor
from wire.tensors import describe

_NUMBERS: Final[Mapping[str, int]] = MappingProxyType(
    {dtype.char: number for number, dtype in DTYPES.items()}
)
"""ONNX's number by numpy's letter, in this machine's byte order."""
_NOTHING: Final = memoryview(b"")


class RawCodec:
    """The codec that moves no element."""

    def encode(self, name: str, array: NDArray[Any]) -> Tensor:
        """Return a tensor whose data is a view of ``array``.

        Copies only an array that is not C-contiguous or not little-endian.

        Raises:
            TensorSpecError: The array's dtype may not travel.
        """
        dtype = array.dtype
        number = _NUMBERS.get(dtype.char)
        if number is None or not dtype.isnative or not array.flags.c_contiguous:
            number = dtype_number(dtype, name)
            array = np.ascontiguousarray(array, dtype=DTYPES[number]).reshape(array.shape)
        view = memoryview(array)  # type: ignore[arg-type]  # a buffer, which stubs for 3.11 lack
        data = view.cast("B") if array.size else _NOTHING
        return Tensor(name, number, array.shape, data)

    def decode(self, tensor: Tensor) -> NDArray[Any]:
        """Return a read-only view into the frame's memory.

        Raises:
            FrameError: Data, element type and shape do not fit together.
        """
        dtype = DTYPES.get(tensor.dtype)
        if dtype is None:
            raise FrameError(f"tensor {tensor.name!r:.80} has element type {tensor.dtype}")
        try:
            array: NDArray[Any] = np.ndarray(tensor.shape, dtype, tensor.data.toreadonly())
        except (ValueError, TypeError, OverflowError) as error:
            raise FrameError(f"tensor {tensor.name!r:.80} is no array ({error})") from error
        if array.nbytes != tensor.data.nbytes:
            raise FrameError(
                f"tensor {tensor.name!r:.80} has {tensor.data.nbytes} bytes"
                f" (expected {array.nbytes} for {describe(tensor.dtype, tensor.shape)})"
            )
        return array


PLUGIN = RawCodec
