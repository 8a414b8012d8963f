"""Where the user's cache is."""

from pathlib import Path

import pytest

from paceline.cache import cache_folder, measured_folder


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "~/.cache/paceline"),
        ({"XDG_CACHE_HOME": "/var/x"}, "/var/x/paceline"),
        ({"XDG_CACHE_HOME": "relative"}, "~/.cache/paceline"),
        ({"XDG_CACHE_HOME": "/var/x", "PACELINE_CACHE": "/var/y"}, "/var/y"),
        ({"PACELINE_CACHE": "~/mine"}, "~/mine"),
    ],
)
def test_where_the_cache_is(environment, expected):
    """Our own setting, else as the XDG specification says."""
    assert cache_folder(environment) == Path(expected).expanduser()
    assert measured_folder(environment) == Path(expected).expanduser() / "measured"
