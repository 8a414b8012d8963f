import pytest

from agent.probes.jetson import JetsonProbe
from tests.fixtures.devices import CORAL_USB, JETSON_ORIN


def test_load_clocks_mode_and_rails(told):
    """Thousandths of load, milli-units of the rails; a rail that is not connected is left out."""
    assert told(JetsonProbe, JETSON_ORIN) == {
        ("gpu_busy_ratio",): 0.437,
        ("gpu_frequency_hertz",): 624750000,
        ("memory_frequency_hertz",): 2133000000,
        ("power_mode_number",): 2,
        ("power_rail_volts", "VDD_IN"): 5.0,
        ("power_rail_watts", "VDD_IN"): 6.0,
        ("power_rail_volts", "VDD_CPU_GPU_CV"): 4.99,
        ("power_rail_watts", "VDD_CPU_GPU_CV"): pytest.approx(1.497),
    }


def test_other_devices_are_silence(told):
    """Rails of another board are not a Jetson's."""
    rails = {path: text for path, text in JETSON_ORIN.items() if "hwmon" in path}

    assert told(JetsonProbe, CORAL_USB | rails) == {}
