"""Floats as 8-bit integers, each row of elements with a scale and a zero of its own.

A tensor is taken as rows of one length; codecs differ in what a row is. It travels as a float32
scale for each row, an 8-bit zero for each row, then the elements: element = (byte - zero) * scale.
The range of a row, zero always in it, is divided into 254 steps; an element is off by at most a
500th of it. Zero stays exactly zero: what ReLU cut off, padding and masks are not moved.

Affine, not symmetric: activations lean to one side (all that ReLU, SiLU, GELU or a sigmoid gave),
and a symmetric code leaves half of its values unused there. Measured on 174 activations of four
networks for a page and a photograph (text detection, orientation, recognition with attention), the
relative L2 error is 0.84 (tensor), 0.68 (channel) and 0.62 (token) of the symmetric code's, median;
a range without zero in it gains 2 % and 9 % more for channel and token, and moves zeros
(`benchmarks/codec_schemes.py`).
Source: Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference" (2.1: a zero-point that is an integer).

A tensor with NaN, an infinity, or a number beyond half of what its type or float32 can hold travels
raw. A row whose range is below 3e-36 becomes zeros.
"""

from abc import abstractmethod
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from wire.codecs._floats import FloatCodec, within
from wire.tensors import count

_SCALE: Final = np.dtype("<f4")
_ROW_BYTES: Final = _SCALE.itemsize + 1
_STEPS: Final = 254
"""One fewer than there are: the rounding of the zero never leaves 0..255."""
_LEAST_SCALE: Final = np.finfo(np.float32).tiny


class Int8Codec(FloatCodec):
    """8-bit integers by rows."""

    @abstractmethod
    def rows(self, shape: tuple[int, ...]) -> int:
        """Return how many rows a tensor is: the product of its first axes."""

    def coded_bytes(self, shape: tuple[int, ...]) -> int:
        """Return 5 bytes a row and 1 an element."""
        return self.rows(shape) * _ROW_BYTES + count(shape)

    def pack(self, array: NDArray[Any]) -> NDArray[np.uint8] | None:
        """Return scales, zeros and elements; see ``FloatCodec``."""
        rows = self.rows(array.shape)
        elements = array.reshape(rows, -1)
        least = np.minimum(elements.min(axis=1), 0).astype(np.float64)
        largest = np.maximum(elements.max(axis=1), 0).astype(np.float64)
        limit = min(np.finfo(kind).max for kind in (array.dtype, _SCALE)) / 2
        if not within(least.min(), largest.max(), limit):
            return None
        packed = np.empty(rows * _ROW_BYTES + array.size, np.uint8)
        scales, zeros, bytes_ = _parts(packed, rows)
        scales[:] = (largest - least) / _STEPS
        scales[scales < _LEAST_SCALE] = 0
        inverse = np.divide(1, scales, out=np.zeros_like(scales), where=scales > 0)
        zeros[:] = np.rint(-least * inverse)
        steps = elements * inverse[:, None]
        steps += (zeros + np.float32(0.5))[:, None]
        np.copyto(bytes_, steps, casting="unsafe")  # the fraction goes: a half was added
        return packed

    def unpack(
        self, data: NDArray[np.uint8], shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> NDArray[Any]:
        """Return the elements; see ``FloatCodec``."""
        scales, zeros, bytes_ = _parts(data, self.rows(shape))
        with np.errstate(all="ignore"):  # a stranger's scales may be anything
            elements = bytes_.astype(np.float32)
            elements -= zeros.astype(np.float32)[:, None]
            elements *= scales[:, None]
            return elements.astype(dtype, copy=False)


def _parts(
    data: NDArray[np.uint8], rows: int
) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.uint8]]:
    """Return views of the scales, the zeros, and the elements by rows."""
    at = rows * _SCALE.itemsize
    scales, zeros, bytes_ = data[:at], data[at : at + rows], data[at + rows :]
    return scales.view(_SCALE), zeros, bytes_.reshape(rows, -1)
