"""What a tensor is, and whether tensors are those that were asked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import tensors
from wire.errors import TensorSpecError
from wire.tensors import ELEMENT_TYPES, TensorSpec

IMAGE = TensorSpec(name="x", dtype=1, shape=("N", 3, "H", "W"))
MASK = TensorSpec(name="mask", dtype=2, shape=("N", "H"))


@given(st.sampled_from(sorted(ELEMENT_TYPES)), st.lists(st.integers(0, 9), max_size=5))
def test_size_is_elements_times_element_size(dtype, shape):
    """A raw tensor's size follows from its table entry; a scalar has one element."""
    elements = 1
    for size in shape:
        elements *= size

    assert tensors.count(shape) == elements
    assert tensors.size_bytes(dtype, shape) == elements * ELEMENT_TYPES[dtype].size_bytes


def test_named_dimensions_take_any_size_but_one():
    """A name stands for one size in all tensors."""
    tensors.check("stage 0", [IMAGE, MASK], {"x": (1, (2, 3, 8, 9)), "mask": (2, (2, 8))})


def test_dimension_without_a_name_takes_any_size():
    """An empty name promises nothing, not even the same size twice."""
    spec = TensorSpec(name="x", dtype=1, shape=("", ""))

    tensors.check("stage 0", [spec], {"x": (1, (0, 5))})


def test_tensors_that_nobody_asked_for_pass_by():
    """A frame may carry more than this reader takes."""
    tensors.check("stage 0", [MASK], {"mask": (2, (1, 1)), "later": (1, (4,))})


@pytest.mark.parametrize(
    ("got", "problem"),
    [
        ({}, r"'x' is missing \(got \[\]\)"),
        ({"y": (1, (1, 3, 8, 8))}, r"'x' is missing \(got \['y'\]\)"),
        ({"x": (10, (1, 3, 8, 8))}, r"float16\[1,3,8,8\] \(expected float32\[N,3,H,W\]\)"),
        ({"x": (99, (1, 3, 8, 8))}, "element type 99"),
        ({"x": (1, (1, 4, 8, 8))}, r"float32\[1,4,8,8\]"),
        ({"x": (1, (1, 3, 8))}, r"float32\[1,3,8\]"),
        ({"x": (1, (1, 3, 8, 8, 1))}, r"float32\[1,3,8,8,1\]"),
        ({"x": (1, (0, 3, 8, 8))}, r"float32\[0,3,8,8\]"),
    ],
)
def test_wrong_tensor_is_refused_with_both_descriptions(got, problem):
    """The sentence says where, what came and what was expected."""
    with pytest.raises(TensorSpecError, match=f"^stage 0: tensor .*{problem}"):
        tensors.check("stage 0", [IMAGE], got)


def test_one_name_with_two_sizes_is_refused():
    """The mask must be as high as the image."""
    with pytest.raises(TensorSpecError, match="'mask'"):
        tensors.check("stage 0", [IMAGE, MASK], {"x": (1, (2, 3, 8, 9)), "mask": (2, (2, 9))})


@pytest.mark.parametrize(
    ("shapes", "name"),
    [
        ([("batch", 3), ("batch", 9)], "batch"),
        ([("batch", 3), ("batch",), ("batch", "n")], "batch"),
        ([(1, 3), (1, 9)], None),
        ([("batch", 3), (1, 9)], None),
        ([("batch", 3), ("other", 9)], None),
        ([("batch", 3), ()], None),
        ([("", 3), ("", 9)], None),
        ([], None),
    ],
    ids=str,
)
def test_a_batch_needs_one_dimension_that_all_tensors_share(shapes, name):
    """The first, under one name."""
    specs = [TensorSpec(name=f"t{n}", dtype=1, shape=shape) for n, shape in enumerate(shapes)]

    assert tensors.batch_dimension(specs) == name
