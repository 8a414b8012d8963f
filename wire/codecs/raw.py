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
        flat = np.ascontiguousarray(array, dtype=DTYPES[number]).reshape(-1)
        return Tensor(name, number, array.shape, flat.view(np.uint8).data)

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
            array = np.frombuffer(tensor.data, np.uint8).view(dtype).reshape(tensor.shape)
        except ValueError as error:
            raise FrameError(f"tensor {tensor.name!r:.80} is no array ({error})") from error
        array.flags.writeable = False
        return array


PLUGIN = RawCodec
