"""How far tensors are apart."""

import numpy as np
import pytest

from fleet.compare import HALF, Allowance, Difference, compare, tolerance_for
from wire.manifest import Tolerance

NAN, INF = float("nan"), float("inf")


def compared(got, expected, dtype=np.float32):
    """Compare two lists with the default tolerance: 1e-5 + 1e-4 |expected|."""
    return compare(np.array(got, dtype), np.array(expected, dtype), Tolerance())


def test_equal_bits_are_equal():
    """NaN too."""
    assert compared([1, NAN, -INF], [1, NAN, -INF]) == Difference(True, True, 0.0)


@pytest.mark.parametrize(
    ("got", "expected", "within"),
    [
        ([1.00005], [1], True),
        ([1.0002], [1], False),
        ([0.000009], [0], True),
        ([0.00002], [0], False),
        ([100.005], [100], True),
        ([NAN], [1], False),
        ([1], [NAN], False),
        ([INF], [1], False),
        ([1], [INF], False),
        ([-INF], [INF], False),
        ([NAN, 1.00001], [NAN, 1], True),
    ],
)
def test_elements_may_differ_by_the_tolerance(got, expected, within):
    """Absolute and relative part; infinities and NaN match only themselves."""
    found = compared(got, expected)

    assert found.within == within
    assert not found.bit_equal


def test_the_largest_difference_is_told():
    """In the tensor's own unit."""
    assert compared([1, 2.5, 3], [1, 2, 3]).max_abs_diff == 0.5
    assert compared([1, NAN], [1, 2]).max_abs_diff == INF


def test_zeros_of_both_signs_are_near_but_not_equal():
    """Bit-equal means the bits."""
    assert compared([0.0], [-0.0]) == Difference(False, True, 0.0, unequal=1)


@pytest.mark.parametrize(
    "got", [np.ones(3, np.float32), np.ones((1, 2), np.float32), np.ones(2, np.float64)]
)
def test_another_shape_or_type_is_infinitely_far(got):
    """Nothing is broadcast and nothing is converted."""
    expected = Difference(False, False, INF, unequal=2, beyond=2)

    assert compare(got, np.ones(2, np.float32), Tolerance()) == expected


@pytest.mark.parametrize("number", [3, 20_000, 1 << 40, 1 << 60])
def test_integers_differ_by_whole_numbers(number):
    """A class or an index that is one off is not within the tolerance, however large it is."""
    found = compared([number + 1], [number], np.int64)

    assert (found.within, found.max_abs_diff) == (False, 1)
    assert not compared([True], [False], bool).within


def test_elements_that_differ_are_counted():
    """By their bits, and by the tolerance."""
    found = compared([1, 2.00001, 3.5, NAN], [1, 2, 3, NAN])

    assert (found.unequal, found.beyond) == (2, 1)


def test_large_tensors_are_compared_in_pieces():
    """Counts and the largest difference are those of all pieces together."""
    expected = np.zeros(3 << 20, np.uint8)
    got = expected.copy()
    got[[0, 1 << 20, -1]] = (1, 2, 7)

    assert compare(got, expected, Tolerance()) == Difference(False, False, 7, unequal=3, beyond=3)


def test_layout_in_memory_is_no_difference():
    """Transposed views hold the same elements."""
    array = np.arange(6, dtype=np.float32).reshape(2, 3)

    assert compare(np.asfortranarray(array), array, Tolerance()).bit_equal


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ([np.float32([0.5, -0.1])], Tolerance()),
        ([np.float32([20, -331])], Tolerance(absolute=3.3e-3)),
        ([np.float32([1, np.inf, np.nan])], Tolerance()),
        ([np.float32([2]), np.int64([1000])], Tolerance(absolute=2e-5)),
        ([np.float16([0.5])], Tolerance(absolute=1e-3, relative=1e-2)),
        ([np.float16([0.5]), np.float32([40])], Tolerance(absolute=4e-2, relative=1e-2)),
        ([np.bool_([True])], Tolerance()),
        ([np.float32([])], Tolerance()),
        ([], Tolerance()),
    ],
)
def test_a_devices_tolerance_follows_the_size_of_the_values(outputs, expected):
    """Small differences of large terms are large; numbers that are none do not count."""
    assert tolerance_for(outputs) == expected


def test_empty_tensors_are_equal():
    """Nothing differs from nothing."""
    assert compared([], []) == Difference(True, True, 0.0)


def test_a_float16_input_was_rounded_at_the_cut():
    """What is computed from it is as near as float16 is, whatever its own type."""
    inputs, outputs = [np.ones(2, np.float16)], [np.ones(2, np.float64)]

    assert tolerance_for(outputs, inputs) == HALF
    assert tolerance_for(outputs) == Tolerance()


@pytest.mark.parametrize(
    ("dtype", "steps", "within"),
    [("int8", 2, True), ("int8", 3, False), ("uint16", 2, True), ("int32", 1, False)],
)
def test_quantised_numbers_may_be_steps_off_where_that_is_allowed(dtype, steps, within):
    """Wider ones are indices, or classes."""
    expected = np.array([100, 7], dtype)

    found = compare(expected + np.array([steps, 0], dtype), expected, Allowance(quanta=2))

    assert (found.within, found.max_abs_diff) == (within, steps)
    assert not compare(expected + np.array([1, 0], dtype), expected, Tolerance()).within
