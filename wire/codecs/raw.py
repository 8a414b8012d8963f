"""Elements as they lie in memory: C order, little-endian, nothing copied."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wire.codecs import DTYPES, dtype_number
from wire.errors import FrameError
from wire.frame import Tensor
from wire.tensors import describe, size_bytes


class RawCodec:
    """The codec that moves no element."""

    def encode(self, name: str, array: NDArray[Any]) -> Tensor:
        """Return a tensor whose data is a view of ``array``.

        Copies only an array that is not C-contiguous or not little-endian.

        Raises:
            TensorSpecError: The array's dtype may not travel.
        """
        number = dtype_number(array.dtype, name)
        if not array.flags.c_contiguous or array.dtype != DTYPES[number]:
            array = np.ascontiguousarray(array, dtype=DTYPES[number]).reshape(array.shape)
        return Tensor(name, number, array.shape, array.reshape(-1).view(np.uint8).data)

    def decode(self, tensor: Tensor) -> NDArray[Any]:
        """Return a read-only view into the frame's memory.

        Raises:
            FrameError: Data, element type and shape do not fit together.
        """
        dtype = DTYPES.get(tensor.dtype)
        if dtype is None:
            raise FrameError(f"tensor {tensor.name!r:.80} has element type {tensor.dtype}")
        expected = size_bytes(tensor.dtype, tensor.shape)
        if tensor.data.nbytes != expected:
            raise FrameError(
                f"tensor {tensor.name!r:.80} has {tensor.data.nbytes} bytes"
                f" (expected {expected} for {describe(tensor.dtype, tensor.shape)})"
            )
        try:
            array: NDArray[Any] = np.ndarray(tensor.shape, dtype, tensor.data)
        except (ValueError, TypeError) as error:
            raise FrameError(f"tensor {tensor.name!r:.80} is no array ({error})") from error
        array.flags.writeable = False
        return array


PLUGIN = RawCodec
