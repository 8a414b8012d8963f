"""How a process ended, in words."""

import pytest

from agent.exit_status import how_it_ended


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (None, "has gone"),
        (0, "ended with status 0"),
        (3, "ended with status 3"),
        (-11, "was ended by SIGSEGV"),
        (-9, "was ended by SIGKILL"),
        (-63, "was ended by 63"),
    ],
)
def test_signals_have_names(status, words):
    """Those that have one."""
    assert how_it_ended(status) == words
