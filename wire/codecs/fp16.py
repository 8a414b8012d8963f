"""Floats as half floats: 2 bytes an element.

An element is off by at most 1/2048 of itself, or by 3e-8 where it is below 6.1e-5 (the subnormal
numbers; what is below 3e-8 becomes zero).

Half floats end at 65504. A tensor with a larger element, and one with NaN or an infinity, travels
raw: neither a limit nor an infinity is put in the place of a number.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from wire.codecs._floats import FloatCodec, within
from wire.tensors import count

_HALF: Final = np.dtype("<f2")
_LIMIT: Final = 65520.0
"""What is below it rounds to 65504 or less."""


class Fp16Codec(FloatCodec):
    """Half floats."""

    def coded_bytes(self, shape: tuple[int, ...]) -> int:
        """Return 2 bytes an element."""
        return count(shape) * _HALF.itemsize

    def pack(self, array: NDArray[Any]) -> NDArray[np.uint8] | None:
        """Return the half floats' bytes; see ``FloatCodec``."""
        if not within(array.min(), array.max(), _LIMIT):
            return None
        return array.astype(_HALF).reshape(-1).view(np.uint8)

    def unpack(
        self,
        data: NDArray[np.uint8],
        shape: tuple[int, ...],  # noqa: ARG002 the port's
        dtype: np.dtype[Any],
    ) -> NDArray[Any]:
        """Return the elements; see ``FloatCodec``."""
        return data.view(_HALF).astype(dtype)


PLUGIN = Fp16Codec
