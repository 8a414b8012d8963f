import shutil

import pytest

from agent.probes.throttling import KINDS, ThrottlingProbe, ask_firmware
from tests.fixtures.devices import (
    JETSON_ORIN,
    MAINLINE_PI,
    RASPBERRY_PI_4,
    RASPBERRY_PI_5,
    X86_LAPTOP,
    plant,
)

PI_4_FILE = "sys/devices/platform/soc/soc:firmware/get_throttled"


def _set(readings):
    """Return the flags that are 1."""
    return {
        (r.label("kind"), r.label("span"))
        for r in readings
        if r.name == "throttled_flag" and r.value
    }


def test_pi_says_what_is_and_what_was(probe):
    """The bits are hexadecimal without 0x: 50004 is throttled now, under-voltage before."""
    readings = list(probe(ThrottlingProbe, RASPBERRY_PI_4).read())

    assert len(readings) == 2 * len(KINDS)
    assert _set(readings) == {
        ("throttled", "now"),
        ("throttled", "occurred"),
        ("undervoltage", "occurred"),
    }


def test_what_was_seen_is_not_forgotten(probe, tmp_path):
    """The driver lets the firmware clear its memory at each look; ours lasts as long as we do."""
    looking = probe(ThrottlingProbe, RASPBERRY_PI_4)
    list(looking.read())
    (tmp_path / PI_4_FILE).write_text("0\n")

    assert _set(looking.read()) == {("throttled", "occurred"), ("undervoltage", "occurred")}


def test_pi_5_has_its_firmware_at_an_address(probe):
    """All flags are there, and none is set."""
    readings = list(probe(ThrottlingProbe, RASPBERRY_PI_5).read())

    assert (len(readings), _set(readings)) == (2 * len(KINDS), set())


def test_voltage_alarm_and_the_firmwares_tool_where_there_is_no_file(probe):
    """Debian's own kernel has only the alarm; vcgencmd is asked once a minute for the rest."""
    asked, now = [], [0.0]

    def ask():
        asked.append(now[0])
        return 1 << 17

    looking = probe(ThrottlingProbe, MAINLINE_PI, ask=ask, clock_seconds=lambda: now[0])
    flags = [_set(looking.read()) for now[0] in (0.0, 2.0, 58.0, 60.0)]

    assert asked == [0.0, 60.0]
    assert flags[-1] == {
        ("undervoltage", "now"),
        ("undervoltage", "occurred"),
        ("frequency_capped", "occurred"),
    }


def test_tool_that_is_not_there_is_asked_once(probe):
    """No process a minute for nothing."""
    asked = []
    looking = probe(ThrottlingProbe, MAINLINE_PI, ask=lambda: asked.append(1))
    for _ in range(3):
        list(looking.read())

    assert len(asked) == 1


@pytest.mark.skipif(shutil.which("vcgencmd") is not None, reason="this is a Raspberry Pi")
def test_missing_tool_is_no_answer():
    """Nothing is raised."""
    assert ask_firmware() is None


def test_x86_counts_a_package_once_and_cores_each(probe, tmp_path):
    """A count that grows since the last read is throttling now."""
    looking = probe(ThrottlingProbe, X86_LAPTOP)
    first = list(looking.read())
    counts = "sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count"
    (tmp_path / counts).write_text("4\n")
    second = list(looking.read())

    assert [r.value for r in first if r.name == "throttle_events_total"] == [17 + 3 + 40]
    assert (_set(first), _set(second)) == (set(), {("throttled", "now")})


def test_driver_that_comes_late_is_found(probe, tmp_path):
    """A module may be loaded after the agent has started; it is looked for once a minute."""
    now = [100.0]
    looking = probe(ThrottlingProbe, JETSON_ORIN, clock_seconds=lambda: now[0])
    assert list(looking.read()) == []
    plant(RASPBERRY_PI_4, tmp_path)

    readings = []
    for now[0] in (159.0, 160.0):
        readings.append(len(list(looking.read())))

    assert readings == [0, 2 * len(KINDS)]


def test_device_without_any_of_these_is_silence(told):
    """A Jetson tells by its coolers."""
    assert told(ThrottlingProbe, JETSON_ORIN) == {}
