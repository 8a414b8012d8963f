"""Numbers and instants as people read them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.hub.web import wording as say

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (say.milliseconds(0.0079), "7.9 ms"),
        (say.milliseconds(0.1312), "131 ms"),
        (say.milliseconds(12.34), "12.3 s"),
        (say.milliseconds(None), "–"),
        (say.decimal(24.13), "24.1"),
        (say.decimal(9.744), "9.74"),
        (say.decimal(0.0), "0.0"),
        (say.whole(43_390), "43\u202f390"),
        (say.frame_size(617_400), "617 KB"),
        (say.frame_size(1_843_200), "1.84 MB"),
        (say.megabits(119_000_000), "119 Mbit/s"),
        (say.mebibytes(96 * 2**20), "96 MiB"),
        (say.mebibytes(3793 * 2**20), "3.7 GiB"),
        (say.percent(0.944), "94 %"),
        (say.ago(None, 0), "never"),
        (say.ago(0, 4 * SECOND), "4 s ago"),
        (say.ago(0, 90 * SECOND), "1 min ago"),
        (say.ago(9 * SECOND, 0), "just now"),
    ],
)
def test_values(got, expected):
    """About three digits, a unit, and a dash for what is not known."""
    assert got == expected


@given(st.floats())
def test_no_number_is_too_odd_to_be_shown(value):
    """Not a number and infinite are not known, like None."""
    for show in (say.milliseconds, say.decimal, say.frame_size, say.megabits, say.mebibytes):
        assert show(value)
        assert math.isfinite(value) or show(value).startswith("–")
    assert 0 <= say.share(value) <= 1


@given(st.text(), st.integers(1, 50))
def test_clean_text_is_short_and_visible(text, most):
    """No control or direction characters are left, and no more than asked for."""
    cleaned = say.clean(text, most)

    assert len(cleaned) <= most
    assert not [c for c in cleaned if c < " " or c in "\u202e\u200f\x7f"]


@given(st.text(max_size=300))
def test_wrapped_text_fits_its_lines(text):
    """At most so many lines, each at most as wide as asked for."""
    lines = say.wrapped(text, 160, 12, 4)

    assert len(lines) <= 4
    assert all(len(line) <= int(160 / (12 * 0.57)) for line in lines)
