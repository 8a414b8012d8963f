"""Every probe file, found by itself, keeps the promise of its package."""

import inspect
import re
from pathlib import Path

import pytest

from agent.health.series import IMPORTANCE
from agent.probes import UNITS, Worker
from tests.fixtures.devices import DEVICES, plant, roots
from wire import plugins

NAMES = plugins.names("agent.probes")
TABLE = (Path(__file__).parents[2] / "docs" / "telemetry.md").read_text()
DOCUMENTED = {
    name: set(re.findall(r"[a-z]+", labels))
    for names, labels in re.findall(r"^\| (`[^|]+) \|([^|]*)\|", TABLE, re.MULTILINE)
    for name in re.findall(r"`([a-z0-9_]+)`", names)
}
WORKER = Worker(pid=4711, pipeline="p", generation=7, stage=1)


def _readings(device, root):
    """Return what all probes say of a device's tree, in two reads."""
    given = roots(plant(DEVICES[device], root)) | {"workers": lambda: [WORKER]}
    found = []
    for name in NAMES:
        plugin = plugins.load("agent.probes", name)
        wanted = inspect.signature(plugin).parameters.keys() & given.keys()
        probe = plugin(**{key: given[key] for key in wanted})
        found += [*probe.read(), *probe.read()]
    return found


def test_the_shipped_probes_are_there():
    """The tests below have something to test."""
    assert {"cpu", "disk", "load", "memory", "thermal", "workers", "throttling"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_probe_reads_or_stays_silent(name):
    """On any machine it can be made and read twice, and its names end in a unit."""
    probe = plugins.load("agent.probes", name)()

    for reading in [*probe.read(), *probe.read()]:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", reading.name)
        assert any(reading.name.endswith(f"_{unit}") for unit in UNITS)
        assert isinstance(reading.value, int | float)
        assert all(isinstance(text, str) for label in reading.labels for text in label)


@pytest.mark.parametrize("device", DEVICES)
def test_reading_of_any_device_is_documented_and_ranked(device, tmp_path):
    """Name and labels stand in docs/telemetry.md, and its importance in agent/health/series.py."""
    readings = _readings(device, tmp_path)

    assert len(readings) > 20
    for reading in readings:
        assert DOCUMENTED.get(reading.name) == {key for key, _ in reading.labels}
        assert reading.name in IMPORTANCE


def test_everything_documented_can_be_read(tmp_path):
    """The table promises nothing that no device gives."""
    said = {reading.name for device in DEVICES for reading in _readings(device, tmp_path / device)}
    # the trees stand still, and a real block device is below the state folder
    told_elsewhere = {"cpu_busy_ratio", "disk_written_bytes"}
    about_probes = {"probe_seconds", "probe_failures_total"}

    readings = {name for name in DOCUMENTED if not name.startswith("device")}
    assert readings - about_probes - told_elsewhere <= said
