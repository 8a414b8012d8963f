"""Every probe file, found by itself, keeps the promise of its package."""

import re

import pytest

from agent.probes import UNITS
from wire import plugins

NAMES = plugins.names("agent.probes")


def test_the_shipped_probes_are_there():
    """The tests below have something to test."""
    assert {"cpu", "disk", "load", "memory", "thermal"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_probe_reads_or_stays_silent(name):
    """On any machine it can be made and read twice, and its names end in a unit."""
    probe = plugins.load("agent.probes", name)()

    for reading in [*probe.read(), *probe.read()]:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", reading.name)
        assert reading.name.rsplit("_", 1)[1] in UNITS
        assert isinstance(reading.value, int | float)
        assert all(isinstance(text, str) for label in reading.labels for text in label)
