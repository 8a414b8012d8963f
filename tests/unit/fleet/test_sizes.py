"""Other sizes of dynamic dimensions: which, and what to leave alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet import sizes
from wire.tensors import TensorSpec

PICTURE = TensorSpec(name="x", dtype=1, shape=("N", 3, "H", ""))
TOKENS = TensorSpec(name="z", dtype=7, shape=("N", "T"))
SHAPES = {"x": (1, 3, 224, 96), "z": (1, 16)}


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (1, (2, 3)),
        (0, (2, 3)),
        (2, (3, 1)),
        (3, (4, 1)),
        (16, (17, 8)),
        (48, (49, 24)),
        (32, (64, 96)),
        (64, (96, 32)),
        (96, (128, 64)),
        (224, (288, 160)),
        (640, (800, 480)),
    ],
)
def test_other_sizes_are_those_that_a_model_may_take(size, expected):
    """A batch of 2 and 3; sides of pictures stay multiples of 32; else one more, and half."""
    assert sizes.others(size) == expected


@given(st.integers(0, 10_000))
def test_three_sizes_are_three(size):
    """None is the known one, none is twice the same, and none is empty."""
    found = sizes.others(size)

    assert len({size, *found}) == 3
    assert min(found) >= 1
    assert size % 32 or not size or not any(other % 32 for other in found)


def test_dimensions_are_called_by_name_or_by_place():
    """One name is one dimension, wherever it stands."""
    known = sizes.known([PICTURE, TOKENS], SHAPES)

    assert known == {"N": 1, "H": 224, "x[3]": 96, "T": 16}
    assert sizes.resized([PICTURE, TOKENS], SHAPES, {"N": 2, "x[3]": 64}) == {
        "x": (2, 3, 224, 64),
        "z": (2, 16),
    }


def test_all_dimensions_vary_together():
    """Two more sizes, the same each time."""
    first, second = sizes.varied({"N": 1, "H": 224, "T": 16})

    assert first == {"N": 2, "H": 288, "T": 17}
    assert second == {"N": 3, "H": 160, "T": 8}


def test_the_batch_is_the_first_to_be_left_alone():
    """Then each of the others, then all but one; nothing is tried twice."""
    before, wanted = {"H": 64, "N": 1, "W": 64}, {"H": 96, "N": 2, "W": 96}

    tried = [
        "".join(name for name in one if one[name] == wanted[name])
        for one in sizes.attempts(wanted, before)
    ]

    assert tried == ["HNW", "HW", "NW", "HN", "N", "H", "W"]


def test_one_dimension_is_tried_once():
    """Without it nothing would vary."""
    assert list(sizes.attempts({"N": 2}, {"N": 1})) == [{"N": 2}]


def test_what_is_left_alone_already_is_not_left_out_again():
    """It would be the same size once more."""
    tried = list(sizes.attempts({"N": 1, "H": 9, "W": 9}, {"N": 1, "H": 8, "W": 8}))

    assert tried == [
        {"N": 1, "H": 9, "W": 9},
        {"N": 1, "H": 8, "W": 9},
        {"N": 1, "H": 9, "W": 8},
    ]


@given(st.integers(1, 40))
def test_many_dimensions_are_not_tried_for_ever(count):
    """Each attempt costs a run of the whole model."""
    before = {f"d{number}": number + 1 for number in range(count)}
    wanted, _ = sizes.varied(before)

    tried = list(sizes.attempts(wanted, before))

    assert 1 <= len(tried) <= sizes.MAX_ATTEMPTS
    assert all(one != before for one in tried)
    assert len({tuple(one.items()) for one in tried}) == len(tried)


def test_sizes_read_like_options():
    """As `--dim` takes them."""
    assert sizes.text({"N": 2, "x[2]": 64}) == "N=2 x[2]=64"
