from agent.probes.coral import CoralProbe
from tests.fixtures.devices import CORAL_PCIE, CORAL_USB


def test_stick_is_known_with_and_without_its_firmware(told):
    """Its id changes when a program loads it; the speed tells a USB 2 port."""
    assert told(CoralProbe, CORAL_USB) == {
        ("coral_link_bits_per_second", "usb 1-1.3", "loaded"): 480e6,
        ("coral_link_bits_per_second", "usb 2-1", "unloaded"): 5e9,
    }


def test_card_tells_state_and_temperature(told):
    """One that is dead has perhaps no temperature."""
    assert told(CoralProbe, CORAL_PCIE) == {
        ("coral_alive_flag", "apex_0"): 1,
        ("coral_celsius", "apex_0"): 86.55,
        ("coral_limit_celsius", "apex_0"): 84.8,
        ("coral_slowest_celsius", "apex_0"): 94.8,
        ("coral_alive_flag", "apex_1"): 0,
    }
