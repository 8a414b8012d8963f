"""Ticks, badges and names find their places."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.show import svg
from paceline.show.layout import (
    BADGE_GAP,
    BADGE_ROWS,
    badge_rows,
    byte_ticks,
    joined,
    place_ticks,
    runs,
)

NAMES = st.lists(st.text("ab/_.漢", min_size=1, max_size=80), min_size=1, max_size=12)


@given(st.integers(1, 1 << 50))
def test_gridlines_are_round_sizes_that_are_there(most_bytes):
    """Powers of two, the largest within the picture and in its upper part."""
    ticks = byte_ticks(most_bytes)

    assert all(tick.bit_count() == 1 for tick in ticks)
    assert most_bytes / 2 < ticks[0] <= most_bytes


@pytest.mark.parametrize(
    ("end", "expected"),
    [(0, [0]), (1, [0, 1]), (7, list(range(8))), (24, list(range(0, 25, 5))), (464, [0, 50, 450])],
)
def test_places_are_numbered_in_round_steps(end, expected):
    """About ten of them."""
    ticks = place_ticks(end)

    assert set(expected) <= set(ticks)
    assert len(ticks) <= 11


@given(st.lists(st.integers(0, 1000)).map(sorted))
def test_badges_of_one_row_do_not_touch_where_rows_suffice(places):
    """One row is used where one will do."""
    rows = badge_rows(places)

    assert set(rows) <= set(range(BADGE_ROWS))
    if all(b - a >= BADGE_GAP for a, b in itertools.pairwise(places)):
        assert set(rows) <= {0}
    for row in range(BADGE_ROWS):
        here = [x for x, r in zip(places, rows, strict=True) if r == row]
        crowded = len(places) > BADGE_ROWS
        assert crowded or all(b - a >= BADGE_GAP for a, b in itertools.pairwise(here))


@given(NAMES, st.integers(40, 90))
def test_names_fit_and_those_left_out_are_counted(names, room):
    """Short ones are shown whole."""
    text = joined(names, room)

    assert sum(2 if c == "漢" else 1 for c in text) <= room
    if len(" + ".join(names)) <= room and "漢" not in "".join(names):
        assert text == " + ".join(names)


def test_the_middle_of_a_long_name_is_left_out():
    """Both ends of a path tell most."""
    assert svg.fitted("/backbone/stage.3/block.7/Relu_output_0", 20, 1) == "/backbone/…_output_0"
    assert svg.fitted("short", 20, 1) == "short"
    assert svg.fitted("anything", 2, 1) == ""


def test_stretches_that_cannot_be_cut_leave_out_both_ends():
    """Nobody cuts there."""
    assert list(runs([False, True, False, False, True, False])) == [(2, 4)]
    assert list(runs([False, False, False])) == [(1, 2)]
    assert list(runs([False])) == []
