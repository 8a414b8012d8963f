"""What has to be done to a tensor on its way, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.compose import numerics
from fleet.compose.adapting import Known, host, steps
from fleet.compose.contract import (
    Cast,
    Contract,
    Dequantize,
    Quantisation,
    Quantize,
    Reshape,
    Transpose,
)
from fleet.compose.errors import ContractError

SIZES = st.lists(st.integers(2, 5), min_size=2, max_size=4, unique=True)
FLOAT16, FLOAT32, INT8, UINT8, INT64, FLOAT64 = 10, 1, 3, 2, 7, 11
OF, TO = Quantisation(scale=0.05, zero_point=-3), Quantisation(scale=0.1, zero_point=4)
TO_LAST, TO_FIRST = Transpose((0, 2, 3, 1)), Transpose((0, 3, 1, 2))


def contract(shape, stage=0, format_="onnx", dtype=FLOAT32, **more):
    """Return a contract."""
    return Contract(stage=stage, format=format_, name=f"t{stage}", dtype=dtype, shape=shape, **more)


def found(made, wanted, sizes=None, *, lossy_casts=False):
    """Return the steps, for the sizes of the shape itself where none are given."""
    sizes = sizes or tuple(size if isinstance(size, int) else 1 for size in made.shape)
    return steps(made, wanted, Known(sizes, lossy_casts))


@pytest.mark.parametrize(
    ("made", "wanted", "expected"),
    [
        ((1, 4, 6, 5), (1, 6, 5, 4), (TO_LAST,)),
        ((1, 6, 5, 4), (1, 4, 6, 5), (TO_FIRST,)),
        (("N", 48, 32, 8), ("", 32, 8, 48), (TO_LAST,)),
        ((1, 4, 6, 5), (1, 4, 6, 5), ()),
        ((1, 96, 1, 1), (1, 1, 1, 96), (TO_LAST,)),
        ((1, 40, 7), (1, 7, 40), (Transpose((0, 2, 1)),)),
        ((1, 2, 3, 4, 5), (1, 3, 4, 5, 2), (Transpose((0, 2, 3, 4, 1)),)),
        ((1, 1, 1, 1), (1, 1, 1, 1), ()),
        ((2, 3), (2, 3), ()),
    ],
)
def test_the_layout_is_found_where_only_one_order_fits(made, wanted, expected):
    """ONNX puts channels first and TFLite last; shapes tell where sizes differ."""
    assert found(contract(made), contract(wanted, 1, "tflite")) == expected


def test_one_format_means_one_layout():
    """Between two ONNX models nothing moves unless it must."""
    square = (1, 8, 8, 8)

    assert found(contract(square), contract(square, 1)) == ()
    assert found(contract((1, 4, 6, 5)), contract((1, 6, 5, 4), 1)) == (TO_LAST,)


def test_a_shape_that_does_not_tell_is_refused_with_both_sides():
    """Guessing would give answers that look right."""
    square = (1, 8, 8, 8)

    with pytest.raises(ContractError) as refused:
        found(contract(square), contract(square, 1, "tflite"))

    said = str(refused.value)
    assert "stage 0 (onnx) 't0': float32[1,8,8,8], layout not said" in said
    assert "stage 1 (tflite) 't1': float32[1,8,8,8], layout not said" in said
    assert "--layout 0:t0=NCHW" in said


@pytest.mark.parametrize(
    ("made", "wanted", "expected"),
    [
        ("NCHW", "NHWC", (TO_LAST,)),
        ("NHWC", "NHWC", ()),
        ("NCHW", None, (TO_LAST,)),
        ("NHWC", None, ()),
        (None, "NHWC", (TO_LAST,)),
        (None, "NCHW", ()),
    ],
)
def test_the_user_says_the_layout(made, wanted, expected):
    """Of a side that nothing is said of, the layout is the usual one of its format."""
    square = (1, 8, 8, 8)
    sides = contract(square, layout=made), contract(square, 1, "tflite", layout=wanted)

    assert found(*sides) == expected


def test_a_layout_that_contradicts_the_shapes_is_refused():
    """Both were said, and cannot both be."""
    sides = contract((1, 4, 6, 5), layout="NHWC"), contract((1, 6, 5, 4), 1, layout="NHWC")

    with pytest.raises(ContractError, match="NHWC to NHWC does not fit the shapes"):
        found(*sides)


@pytest.mark.parametrize(
    ("shapes", "layouts"),
    [
        (((1, 4, 6, 5), (1, 6, 5, 4)), ("NHWC", None)),
        (((1, 4, 6, 5), (1, 6, 5, 4)), (None, "NCHW")),
        (((1, 6, 5, 4), (1, 4, 6, 5)), ("NCHW", None)),
        (((1, 6, 5, 4), (1, 4, 6, 5)), (None, "NHWC")),
    ],
)
def test_one_layout_that_contradicts_the_shapes_is_refused(shapes, layouts):
    """Only one order fits, and it is not that of what was said: which of the two is wrong?"""
    sides = (contract(shapes[0], layout=layouts[0]), contract(shapes[1], 1, layout=layouts[1]))

    with pytest.raises(ContractError, match="fits the shapes, which is not that"):
        found(*sides)


@pytest.mark.parametrize(
    ("made", "wanted", "expected"),
    [
        (("N", 96), ("N", 1, 1, 96), ("N", 1, 1, 96)),
        (("N", 96, 1, 1), ("N", 96), ("N", 96)),
        ((1, 96), ("M", 1, 96), (1, 1, 96)),
        ((96,), (1, 96), (1, 96)),
        ((1, 96), (96,), (96,)),
    ],
)
def test_dimensions_of_size_1_come_and_go(made, wanted, expected):
    """No element moves by that."""
    sizes = tuple(3 if size == "N" else size for size in made)

    assert found(contract(made), contract(wanted, 1), sizes) == (Reshape(expected),)


@pytest.mark.parametrize(
    ("made", "wanted"),
    [((1, 96), (1, 48, 2)), ((1, 96), (1, 95)), ((2, 3, 4), (4, 3, 2)), ((1, 2, 96), (1, 96))],
)
def test_other_shapes_are_refused(made, wanted):
    """A reshape that only counts elements would pass anything."""
    with pytest.raises(ContractError, match="more than sizes of 1"):
        found(contract(made), contract(wanted, 1))


def test_a_size_that_a_run_had_is_told_with_what_changes_it():
    """The stage leaves it open: another size of it may fit."""
    with pytest.raises(ContractError, match=r"came as \[1,8\].* say other sizes with --dim"):
        found(contract(("N", 8)), contract((2, 8), 1), (1, 8))


QUANTISED = contract((1, 6, 5, 4), 1, "tflite", INT8, quantisation=OF)


def test_floats_are_quantised_before_they_are_moved():
    """Moving bytes is less work than moving floats."""
    expected = (Quantize(INT8, OF), TO_LAST)

    assert found(contract((1, 4, 6, 5)), QUANTISED) == expected


def test_integers_are_moved_before_they_are_floats():
    """The same the other way."""
    assert found(QUANTISED, contract((1, 4, 6, 5), 2)) == (TO_FIRST, Dequantize(OF, INT8))


def test_other_scales_are_taken_apart_and_put_together():
    """Scale, zero point or type differ: the numbers between are floats."""
    uint8 = contract((1, 6, 5, 4), 2, "tflite", UINT8, quantisation=TO)

    assert found(QUANTISED, uint8) == (Dequantize(OF, INT8), Quantize(UINT8, TO))
    assert found(QUANTISED, QUANTISED) == ()


def test_half_floats_grow_on_their_way_into_integers():
    """Operators that quantise take float32."""
    half = contract((1, 6, 5, 4), dtype=FLOAT16)

    assert found(half, QUANTISED) == (Cast(FLOAT32), Quantize(INT8, OF))


def test_a_cast_that_loses_nothing_is_made():
    """A float32 holds every float16, and a float64 every float32."""
    assert found(contract((1, 2), dtype=FLOAT16), contract((1, 2), 1)) == (Cast(FLOAT32),)
    assert found(contract((1, 2)), contract((1, 2), 1, dtype=FLOAT64)) == (Cast(FLOAT64),)


def test_a_cast_that_loses_digits_has_to_be_allowed():
    """Then it is made."""
    sides = contract((1, 2)), contract((1, 2), 1, dtype=FLOAT16)

    with pytest.raises(ContractError, match=r"loses digits.*--lossy-casts"):
        found(*sides)
    assert found(*sides, lossy_casts=True) == (Cast(FLOAT16),)


@pytest.mark.parametrize(
    "wanted",
    [
        contract((1, 6, 5, 4), 1, dtype=INT8),
        contract((1, 6, 5, 4), 1, dtype=INT64),
        contract((1, 6, 5, 4), 1, dtype=INT8, per_channel=True),
    ],
)
def test_integers_of_unknown_meaning_are_refused(wanted):
    """No scale, an index, or a scale for each channel."""
    with pytest.raises(ContractError):
        found(contract((1, 6, 5, 4)), wanted)


def test_indices_pass_as_they_are():
    """Two sides that agree need no meaning."""
    assert found(contract((1, 2), dtype=INT64), contract((1, 2), 1, dtype=INT64)) == ()


@pytest.mark.parametrize(
    ("made", "wanted", "expected"),
    [
        (contract((1, 2)), contract((1, 2), 1, "tflite"), "maker"),
        (contract((1, 2), format_="tflite"), contract((1, 2), 1), "reader"),
        (contract((1, 2)), contract((1, 2), 1), "reader"),
        (contract((1, 2)), contract((1, 2), 1, dtype=FLOAT16), "maker"),
        (contract((1, 2), stage=-1), contract((1, 2), 1, "tflite"), "reader"),
    ],
)
def test_the_onnx_side_hosts_an_adapter(made, wanted, expected):
    """Else the side that makes elements smaller before they travel."""
    assert host(made, wanted, found(made, wanted, lossy_casts=True)) == expected


@given(SIZES, st.booleans(), st.booleans())
def test_steps_make_of_any_tensor_what_is_wanted(sizes, to_last, to_int8):
    """Elements are where numpy puts them, and their type is the one that is asked for."""
    shape = (1, *sizes)
    order = (0, *range(2, len(shape)), 1) if to_last else (0, len(shape) - 1, *range(1, len(sizes)))
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape) / 100
    meaning = {"dtype": INT8, "quantisation": OF} if to_int8 else {"dtype": FLOAT32}
    wanted = contract(tuple(shape[axis] for axis in order), 1, "tflite", **meaning)

    made = numerics.applied(found(contract(shape), wanted, shape), array)

    moved = array.transpose(order)
    expected = np.rint(moved / np.float32(0.05)) - 3 if to_int8 else moved
    assert made.dtype == (np.int8 if to_int8 else np.float32)
    assert np.array_equal(made, np.clip(expected, -128, 127) if to_int8 else expected)
