"""A Jetson: what its probes say. Its runtimes are tested by test_accelerators.py."""

import pytest

from agent.probes.jetson import JetsonProbe
from agent.probes.thermal import ThermalProbe
from tests.hardware import this_machine


@pytest.fixture(autouse=True)
def jetson():
    """Only on one."""
    this_machine.needs_kind("jetson", __file__)


def test_its_gpu_and_rails_are_read():
    """Without privileges: how busy the GPU is, and watts of each rail."""
    read = {reading.name: reading.value for reading in JetsonProbe().read()}

    assert 0 <= read["gpu_busy_ratio"] <= 1
    assert 0 < read["power_rail_watts"] < 200
    assert "power_mode_number" in read


def test_its_temperatures_are_read():
    """That of the GPU among them."""
    read = {dict(one.labels).get("zone"): one.value for one in ThermalProbe().read()}

    assert any(zone and "gpu" in zone for zone in read)
