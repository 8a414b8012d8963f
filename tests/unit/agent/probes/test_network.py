from agent.probes.network import NetworkProbe
from tests.fixtures.devices import RASPBERRY_PI_4, RASPBERRY_PI_5, X86_LAPTOP


def test_cable_and_radio(told):
    """Errors and drops of both directions are summed; a radio has a signal and no speed."""
    found = told(NetworkProbe, RASPBERRY_PI_4)

    assert {key: value for key, value in found.items() if "eth0" in key} == {
        ("network_received_bytes", "eth0"): 123456,
        ("network_sent_bytes", "eth0"): 65432,
        ("network_errors_total", "eth0"): 3,
        ("network_dropped_total", "eth0"): 7,
        ("network_carrier_flag", "eth0"): 1,
        ("network_link_bits_per_second", "eth0"): 1e9,
    }
    assert found["network_signal_dbm", "wlan0"] == -56
    assert ("network_link_bits_per_second", "wlan0") not in found


def test_only_physical_interfaces_are_read(told):
    """Loopback, bridges and containers' ends would be series without end."""
    told_of = {label for _, label in told(NetworkProbe, X86_LAPTOP)}

    assert told_of == {"enp0s31f6", "wlp2s0"}


def test_pulled_cable_is_told(told):
    """A carrier of 0 is a reading, not silence."""
    assert told(NetworkProbe, RASPBERRY_PI_5)["network_carrier_flag", "eth0"] == 0
