"""What ``--concurrency`` takes."""

import pytest

from paceline.bench.concurrency import windows
from paceline.bench.errors import BadConcurrencyError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4", (4,)),
        ("1:4", (1, 2, 3, 4)),
        ("1:8:3", (1, 4, 7)),
        ("1,2,4", (1, 2, 4)),
        ("8:8", (8,)),
        ("1:3, 2, 6", (1, 2, 3, 6)),
        ("1024", (1024,)),
    ],
)
def test_ranges_and_lists(text, expected):
    """Each window once, in the order given."""
    assert windows(text) == expected


@pytest.mark.parametrize(
    "text", ["", "0", "a", "1:", "4:1", "1:8:0", "1:2:3:4", "1025", "-1", "1.5", "1,,2", "9" * 99]
)
def test_what_is_no_range_is_refused(text):
    """The error shows what would do."""
    with pytest.raises(BadConcurrencyError, match="1:8"):
        windows(text)
