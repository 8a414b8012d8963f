from agent.health.collector import Health
from agent.health.series import MAX_SERIES
from agent.probes import Reading
from agent.supervisor.telemetry import MAX_PROBLEMS, health_message
from wire import messages, telemetry
from wire.telemetry import Problem
from wire.topics import TOPICS


class Boundless:
    """A probe whose every reading is as long as can be."""

    def __init__(self, kind):
        self.kind = kind

    def read(self):
        """Yield more than anyone wants to know."""
        for n in range(200):
            labels = tuple((f"{key}{'k' * 999}", f'{n}"\\\0\N{SNOWMAN}' * 999) for key in range(9))
            yield Reading(f"{self.kind}_{'x' * 999}_total", float(n) / 7, labels)


def _message(found, told=()):
    return health_message(found, told, device="d1", session=1 << 40, unix_ns=1 << 60)


def test_message_always_fits_its_topic():
    """Whatever drivers and errors say; what was left out is counted."""
    sampled = Health({kind: Boundless(kind) for kind in "abcdefgh"})
    sampled.sample()
    told = [Problem(code="internal", message="\N{SNOWMAN}" * 300) for _ in range(99)]

    found = sampled.report()
    message = _message(found, told)
    received = messages.decode("tele", messages.encode("tele", message), telemetry.Health)

    assert len(messages.encode("tele", message)) <= TOPICS["tele"].max_bytes
    assert len(received.readings) == MAX_SERIES
    assert received.dropped_readings == len(found) - MAX_SERIES > 0
    assert len(received.problems) == MAX_PROBLEMS


def test_a_warning_alone_is_healthy():
    """It is told; an error makes the device unhealthy, also behind many warnings."""
    warning = Problem(code="device.disk_worn", message="worn", severity="warning")
    error = Problem(code="device.disk_low", message="low", severity="error")

    assert _message((), [warning]).healthy
    assert not _message((), [*[warning] * MAX_PROBLEMS, error]).healthy
