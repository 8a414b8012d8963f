"""Numbers as people read them."""

import pytest

from paceline.formatting import age_text, counted, seconds_text, size_text, work_text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (3_565_158, "3.4 MiB"),
        (5 << 40, "5.0 TiB"),
        (5 << 50, "5120.0 TiB"),
    ],
)
def test_sizes_have_binary_units(size_bytes, text):
    """The largest unit that leaves a number above one."""
    assert size_text(size_bytes) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 ms"),
        (0.0000124, "12.4 us"),
        (0.0004, "0.4 ms"),
        (0.0096, "10 ms"),
        (0.34, "340 ms"),
        (0.9999, "1.0 s"),
        (61.26, "61.3 s"),
    ],
)
def test_durations_have_two_or_three_digits(seconds, text):
    """Milliseconds below a second, microseconds where those would be none."""
    assert seconds_text(seconds) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 frames"), (1, "1 frame"), (2, "2 frames")])
def test_one_thing_is_no_plural(count, text):
    """Nor is nothing one."""
    assert counted(count, "frame") == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "now"), (0.9, "now"), (59.9, "59 s"), (60, "1 min"), (7200, "2 h"), (90000, "1 d")],
)
def test_ages_are_rough(seconds, text):
    """A clock that runs ahead makes no negative age."""
    assert age_text(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"), (999, "999"), (1000, "1 k"), (1_234_567, "1.23 M"), (999_600_000, "1 G"),
        (2 * 10**12, "2 T"),
    ],
)  # fmt: skip
def test_work_has_three_digits_and_a_unit(count, text):
    """As papers write multiply-accumulates."""
    assert work_text(count) == text
