import math
from itertools import count

import msgspec
import pytest
from structlog.testing import capture_logs

from agent.health import collector
from agent.health.collector import Health
from agent.probes import Reading
from wire import plugins, telemetry


class Scripted:
    """A probe that says what the test tells it; an exception in the script is raised."""

    def __init__(self, *script):
        self.script = list(script)

    def read(self):
        """Yield the next readings of the script."""
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(step, Exception):
            raise step
        yield from step


def _said(readings):
    """Return what probes said, without what is said about probes."""
    return [r for r in readings if not r.name.startswith("probe_")]


def _sampled(times, **probes):
    sampled = Health(probes)
    for _ in range(times):
        sampled.sample()
    return sampled


def test_newest_value_is_reported_but_the_mean_of_a_ratio():
    """Free bytes are a state; how busy a core was is a matter of the whole time."""
    probe = Scripted(
        [Reading("disk_free_bytes", 9), Reading("cpu_busy_ratio", 1.0)],
        [Reading("disk_free_bytes", 5), Reading("cpu_busy_ratio", 0.0)],
    )

    assert _said(_sampled(2, a=probe).report()) == [
        Reading("disk_free_bytes", 5),
        Reading("cpu_busy_ratio", 0.5),
    ]


def test_a_probe_that_is_read_rarely_is_told_each_time():
    """Each message is whole, whatever each probe's pace."""
    sampled = _sampled(1, a=Scripted([Reading("thermal_celsius", 40), Reading("x_ratio", 0.5)]))

    assert _said(sampled.report()) == _said(sampled.report()) != []


def test_sensor_that_vanished_is_forgotten():
    """It is not reported for ever."""
    sampled = _sampled(1, a=Scripted([Reading("thermal_celsius", 40)], []))
    first = _said(sampled.report())
    sampled.sample()

    assert (len(first), _said(sampled.report())) == (1, [])


def test_labels_tell_series_apart():
    """Two zones are two temperatures."""
    zones = [Reading("thermal_celsius", t, (("zone", z),)) for z, t in (("a", 40), ("b", 50))]

    assert _said(_sampled(2, a=Scripted(zones)).report()) == zones


def test_probe_that_raises_breaks_no_other_and_is_counted():
    """One bad driver costs its own readings only."""
    sampled = _sampled(
        3, bad=Scripted(OSError("bus")), good=Scripted([Reading("disk_free_bytes", 1)])
    )

    readings = sampled.report()

    assert _said(readings) == [Reading("disk_free_bytes", 1)]
    assert [r for r in readings if r.name == "probe_failures_total"] == [
        Reading("probe_failures_total", 3, (("probe", "bad"),))
    ]
    assert sampled.failures == {"bad": 3}


def test_repeating_failure_is_logged_on_entering_and_on_recovery():
    """A sensor that fails each second writes two lines, not thousands."""
    failing = OSError("bus")

    with capture_logs() as logs:
        _sampled(5, bad=Scripted(failing, failing, failing, []))

    assert [(entry["event"], entry["probe"]) for entry in logs] == [
        ("probe.failed", "bad"),
        ("probe.recovered", "bad"),
    ]


def test_slow_sensor_can_be_found_from_afar():
    """Each probe is timed; the quick ones are not worth a series."""
    ticks = iter([10.0, 10.5, 11.0, 11.001])
    sampled = Health({"a": Scripted([]), "b": Scripted([])}, lambda: next(ticks))
    sampled.sample()

    assert sampled.report() == (Reading("probe_seconds", 0.5, (("probe", "a"),)),)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_value_that_json_cannot_say_is_left_out(value):
    """One broken sensor must not make the whole message unsendable."""
    assert _said(_sampled(1, a=Scripted([Reading("x_ratio", value)])).report()) == []


def test_endless_probe_and_endless_labels_are_bounded():
    """No sensor can make the message grow."""

    class Endless:
        def read(self):
            for n in count():
                yield Reading("x_total", n, (("n", f"{n}\N{SNOWMAN}{'x' * 1000}"),))

    readings = _said(_sampled(1, a=Endless()).report())

    assert len(readings) == collector.MAX_READINGS
    assert {len(r.labels[0][1]) for r in readings} == {collector.MAX_LENGTH}
    assert readings[7].labels[0][1].startswith("7?xxx")


def test_every_shipped_probe_is_found_and_given_the_state_folder(tmp_path):
    """A new file is a new probe; the disk is that of the agent's state."""
    found = collector.probes({"state_folder": tmp_path})

    assert set(found) == set(plugins.names("agent.probes"))
    assert found["disk"].state_folder == tmp_path


def test_report_of_this_machine_fits_the_message(tmp_path):
    """What is sampled here can be sent as it is."""
    sampled = _sampled(2, **collector.probes({"state_folder": tmp_path}))

    sent = [
        telemetry.Reading(name=r.name, value=r.value, labels=dict(r.labels))
        for r in sampled.report()
    ]
    received = msgspec.json.decode(msgspec.json.encode(sent), type=list[telemetry.Reading])

    assert received == sent
    assert {"memory_available_bytes", "disk_free_bytes"} <= {r.name for r in received}
    assert sampled.failures == {}
