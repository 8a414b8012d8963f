import pytest

from agent.probes.thermal import ThermalProbe
from tests.fixtures.devices import JETSON_ORIN, RASPBERRY_PI_4


def test_zones_with_their_limits(told):
    """The limit is the lowest of what the driver calls hot or critical, not of what is passive."""
    found = told(ThermalProbe, JETSON_ORIN)

    assert found["thermal_celsius", "gpu-thermal", "1"] == 49.5
    assert found["thermal_limit_celsius", "gpu-thermal", "1"] == 104.5


def test_how_hard_coolers_work(told):
    """State of most states."""
    found = told(ThermalProbe, JETSON_ORIN)

    assert found["cooling_ratio", "pwm-fan", "0"] == pytest.approx(1 / 3)
    assert found["cooling_ratio", "cpufreq-cpu0", "1"] == 0


@pytest.mark.parametrize("temp", ["", "disabled"])
def test_zone_that_does_not_answer_is_left_out(told, temp):
    """A sleeping driver costs its own zone only."""
    folder = "sys/class/thermal/thermal_zone1"
    tree = RASPBERRY_PI_4 | {f"{folder}/type": "wifi\n", f"{folder}/temp": temp}

    assert told(ThermalProbe, tree) == {
        ("thermal_celsius", "cpu-thermal", "0"): 48.312,
        ("thermal_limit_celsius", "cpu-thermal", "0"): 110,
    }
