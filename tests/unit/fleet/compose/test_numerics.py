"""What numpy makes of an adapter's steps, and how a result is compared with it."""

import numpy as np
import pytest

from fleet.compose.contract import Cast, Dequantize, Quantisation, Quantize, Reshape, Transpose
from fleet.compose.numerics import applied, quanta_apart

BY = Quantisation(scale=0.5, zero_point=-3)
INT8, UINT8, FLOAT16 = 3, 2, 10
QUANTIZE = (Quantize(INT8, BY),)


def test_steps_follow_each_other():
    """Each takes what the one before gave."""
    array = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
    steps = (Transpose((0, 2, 3, 1)), Reshape(("N", 12, 2)), Cast(FLOAT16))

    made = applied(steps, array)

    assert made.dtype == np.float16
    assert made.tolist() == array.transpose(0, 2, 3, 1).reshape(1, 12, 2).tolist()
    assert made.flags.c_contiguous


def test_quantising_rounds_to_even_and_keeps_within_the_type():
    """As ONNX's QuantizeLinear is defined."""
    array = np.array([0.0, 0.25, 0.75, -1.0, 1000.0, -1000.0], np.float32)

    assert applied(QUANTIZE, array).tolist() == [-3, -3, -1, -5, 127, -128]


def test_dequantising_undoes_it():
    """For all that is in range."""
    integers = np.arange(-128, 128).astype(np.int8)

    back = applied((Dequantize(BY, INT8), *QUANTIZE), integers)

    assert back.tolist() == integers.tolist()


@pytest.mark.parametrize(
    ("steps", "got", "expected", "apart"),
    [
        (QUANTIZE, np.int8([1, 2]), np.int8([1, 2]), 0),
        (QUANTIZE, np.int8([1, 3]), np.int8([1, 2]), 1),
        ((Dequantize(BY, INT8),), np.float32([1.5]), np.float32([1.0]), 1),
        ((Transpose((0,)),), np.float32([1.5]), np.float32([1.0]), np.inf),
        (QUANTIZE, np.int8([1]), np.uint8([1]), None),
        (QUANTIZE, np.int8([1]), np.int8([[1]]), None),
    ],
)
def test_a_difference_is_told_in_quanta(steps, got, expected, apart):
    """Nothing is near that was not quantised, and another type is another thing."""
    assert quanta_apart(steps, got, expected) == apart
