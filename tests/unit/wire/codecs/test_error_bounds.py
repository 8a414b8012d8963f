"""What each codec says of its error holds for whatever an array holds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from wire import codecs
from wire.frame import Frame, Kind

FLOATS = st.sampled_from([np.float16, np.float32, np.float64])


def whole(shape):
    """Return one row."""
    return (1, -1)


def by_channel(shape):
    """Return rows by sample and channel."""
    return (shape[0] * shape[1] if len(shape) > 2 else shape[0] if len(shape) > 1 else 1, -1)


def by_token(shape):
    """Return rows along the last axis."""
    return (-1, shape[-1]) if shape else (1, -1)


ROWS = {"int8_tensor": whole, "int8_channel": by_channel, "int8_token": by_token}


def finite(dtype):
    """Return arrays of a few rows whose elements have very different sizes."""
    numbers = hnp.from_dtype(np.dtype(dtype), allow_nan=False, allow_infinity=False)
    shapes = hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=7)
    return hnp.arrays(dtype, shapes, elements=numbers)


def sent(name, array):
    """Return the tensor of an array, and the array that comes back."""
    (tensor,) = codecs.tensors({"x": array}, name)
    frame = Frame(Kind.DATA, 0, 0, meta=codecs.meta({}, name), tensors=(tensor,))
    return tensor, codecs.arrays(frame)["x"]


@pytest.mark.parametrize("name", ROWS)
@given(array=FLOATS.flatmap(finite))
def test_an_element_is_off_by_a_500th_of_its_rows_range(name, array):
    """Zero is in that range; a row that is all but zero may become zeros."""
    _, back = sent(name, array)
    rows, came = (one.reshape(ROWS[name](array.shape)).astype(np.float64) for one in (array, back))
    least, largest = np.minimum(rows.min(axis=1), 0), np.maximum(rows.max(axis=1), 0)
    rounding = np.abs(rows) * np.finfo(array.dtype).eps

    assert (np.abs(came - rows) <= (largest / 500 - least / 500)[:, None] + 3e-36 + rounding).all()


@pytest.mark.parametrize("name", ROWS)
def test_a_row_does_not_depend_on_the_others(name):
    """A channel, a token or a tensor has the same steps whatever it travels with."""
    random = np.random.default_rng(1)
    array = random.standard_normal((2, 6, 8)).astype(np.float32)
    louder = array.copy()
    louder[1] *= 100

    (_, quiet), (_, beside) = sent(name, array), sent(name, louder)

    assert np.array_equal(quiet[0], beside[0]) == (name != "int8_tensor")


@pytest.mark.parametrize(
    ("name", "rows"), [("int8_tensor", 1), ("int8_channel", 2 * 3), ("int8_token", 2 * 3 * 8)]
)
def test_a_row_costs_five_bytes(name, rows):
    """A float32 scale and an 8-bit zero, before one byte for each element."""
    array = np.linspace(-1, 1, 2 * 3 * 8 * 16, dtype=np.float32).reshape(2, 3, 8, 16)
    tensor, _ = sent(name, array)

    assert tensor.data.nbytes == array.size + 5 * rows


@pytest.mark.parametrize("name", ROWS)
def test_rows_of_nothing_stay_nothing(name):
    """A dead channel, or one below what a scale can say, gives zeros and no warning."""
    array = np.ones((1, 3, 40), np.float32)
    array[0, 1] = 0
    array[0, 2] = 1e-42
    _, back = sent(name, array)

    np.testing.assert_array_equal(back[0, 1:], 0)
    np.testing.assert_allclose(back[0, 0], 1, rtol=1e-6)


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize(("dtype", "large"), [("f2", 4e4), ("f4", 2e38), ("f8", 2e38)])
def test_numbers_at_the_end_of_their_range_travel_raw(name, dtype, large):
    """A step could make an infinity of them."""
    array = np.linspace(-large, large, 60).astype(dtype).reshape(1, 3, 20)
    _, back = sent(name, array)

    np.testing.assert_array_equal(back, array)


@given(st.sampled_from([np.float32, np.float64]).flatmap(finite))
def test_a_half_float_is_off_by_a_2048th(array):
    """Of itself, or by 3e-8 near zero; where one element is too large, nothing is moved."""
    _, back = sent("fp16", array)
    wide = array.astype(np.float64)
    off = np.abs(back.astype(np.float64) - wide)

    if np.abs(wide).max() >= 65520:
        np.testing.assert_array_equal(back, array)
    else:
        assert (off <= np.maximum(np.abs(wide) / 2048, 3e-8)).all()


@pytest.mark.parametrize(
    ("number", "arrives"),
    [(65504, 65504), (65519, 65504), (65520, 65520), (-65520, -65520), (1e30, 1e30)],
)
def test_a_half_float_never_overflows(number, arrives):
    """Neither the largest half float nor an infinity stands in for a larger number."""
    _, back = sent("fp16", np.array([number, 0.5], np.float32))

    np.testing.assert_array_equal(back, np.array([arrives, 0.5], np.float32))


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("fp16", np.full((4, 5), 0.1, np.float16)),
        ("int8_token", np.full((4, 1), 0.1, np.float32)),
        ("int8_channel", np.full((4, 3, 1, 1), 0.1, np.float32)),
        ("int8_tensor", np.float32(0.1).reshape(())),
        ("int8_tensor", np.zeros((0, 3), np.float32)),
    ],
)
def test_what_coding_would_not_make_smaller_travels_raw(name, array):
    """Where there are as many scales as elements, or nothing to code."""
    tensor, back = sent(name, array)

    np.testing.assert_array_equal(back, array)
    assert tensor.data.nbytes == array.nbytes
