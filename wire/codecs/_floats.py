"""What the codecs of floats share: which tensors are coded, and which travel raw.

A tensor is coded where it is of floats and that makes it smaller. Every other one travels raw, and
so does one whose elements the codec cannot hold. **The length tells**: data as long as the raw
tensor is raw, so nothing marks it, and a coded tensor is always shorter.
"""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wire.codecs import DTYPES, dtype_number
from wire.codecs.raw import RawCodec
from wire.errors import FrameError
from wire.frame import Tensor
from wire.tensors import describe, size_bytes


class FloatCodec(ABC):
    """Codes floats; a codec says how many bytes they take, and which."""

    @abstractmethod
    def coded_bytes(self, shape: tuple[int, ...]) -> int:
        """Return the size of a coded tensor."""

    @abstractmethod
    def pack(self, array: NDArray[Any]) -> NDArray[np.uint8] | None:
        """Return the coded bytes of a contiguous array of at least one element.

        None: it holds what cannot be coded.
        """

    @abstractmethod
    def unpack(
        self, data: NDArray[np.uint8], shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> NDArray[Any]:
        """Return a new array of what ``pack`` wrote; any bytes of the right length make one."""

    def encode(self, name: str, array: NDArray[Any]) -> Tensor:
        """Return the tensor, coded or raw; see ``Codec``."""
        number = dtype_number(array.dtype, name)
        if self._coded_bytes(number, array.shape) is not None:
            packed = self.pack(np.ascontiguousarray(array, dtype=DTYPES[number]))
            if packed is not None:
                return Tensor(name, number, array.shape, packed.data)
        return RawCodec().encode(name, array)

    def decode(self, tensor: Tensor) -> NDArray[Any]:
        """Return the array, a new one where it was coded; see ``Codec``."""
        coded = self._coded_bytes(tensor.dtype, tensor.shape)
        if coded is None or tensor.data.nbytes == size_bytes(tensor.dtype, tensor.shape):
            return RawCodec().decode(tensor)
        if tensor.data.nbytes != coded:
            raise FrameError(
                f"tensor {tensor.name!r:.80} has {tensor.data.nbytes} bytes (expected {coded}, or"
                f" raw, for {describe(tensor.dtype, tensor.shape)})"
            )
        data = np.frombuffer(tensor.data, np.uint8)
        array = self.unpack(data, tensor.shape, DTYPES[tensor.dtype]).reshape(tensor.shape)
        array.flags.writeable = False
        return array

    def _coded_bytes(self, number: int, shape: tuple[int, ...]) -> int | None:
        """Return the size of a coded tensor; None: it travels raw."""
        dtype = DTYPES.get(number)
        if dtype is None or dtype.kind != "f":
            return None
        coded = self.coded_bytes(shape)
        return coded if coded < size_bytes(number, shape) else None


def within(least: Any, largest: Any, limit: float) -> bool:
    """Whether both are numbers nearer to 0 than ``limit``: what is no number never is."""
    return bool(-limit < least) and bool(largest < limit)
