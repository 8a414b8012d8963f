"""Options that several measuring commands share: sizes and links."""

import pytest
from cyclopts import Token

from fleet.errors import BadRequestError
from paceline import link_option
from paceline.size_option import whole_bytes
from wire.errors import UnknownPluginError


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("600000", 600_000),
        ("600kB", 600_000),
        ("600KB", 600_000),
        ("3MB", 3_000_000),
        ("64KiB", 65_536),
        ("1.5 MiB", 1_572_864),
    ],
)
def test_sizes_have_the_units_of_a_fleet_file(text, size):
    """Or none: then they are bytes."""
    assert whole_bytes(int, [Token(value=text)]) == size


@pytest.mark.parametrize("text", ["", "much", "-1", "0", "0.5", "600 boxes", "1e99"])
def test_what_is_no_size_is_told_what_would_be_one(text):
    """The sentence holds examples."""
    with pytest.raises(ValueError, match=r"is no size \(such as 600000, 600kB or 64KiB\)"):
        whole_bytes(int, [Token(value=text)])


def test_links_are_parted_by_commas_and_taken_once():
    """In their order: the first is what others are compared with."""
    assert link_option.measured("tcp, mqtt,tcp") == ("tcp", "mqtt")


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("mqtt,auto", BadRequestError, "is a choice of two workers"),
        ("smoke", UnknownPluginError, "known: mqtt, paho, tcp, uds"),
        ("", UnknownPluginError, "known: mqtt, paho, tcp, uds"),
    ],
)
def test_only_what_carries_frames_can_be_measured(text, error, said):
    """And the choice of workers is not listed among it."""
    with pytest.raises(error, match=said):
        link_option.measured(text)
