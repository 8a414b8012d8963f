"""Whether the wall clock is believed."""

import pytest

from agent import clock
from agent.probes.clock import ask_kernel


@pytest.mark.parametrize("known", [True, False])
def test_it_is_as_the_kernel_says(tmp_path, known):
    """Whatever timesyncd wrote before."""
    assert clock.believed(lambda: known, tmp_path) is known


def test_without_the_kernels_word_it_is_timesyncd_s(tmp_path):
    """A unit with ProtectClock= may not ask: then the file counts."""
    file = tmp_path / "synchronized"
    before = clock.believed(lambda: None, file)
    file.touch()

    assert (before, clock.believed(lambda: None, file)) == (False, True)


def test_here_it_is_one_or_the_other():
    """The kernel of this machine answers, or may not be asked."""
    assert clock.believed() in {True, False}
    assert ask_kernel() in {True, False, None}
