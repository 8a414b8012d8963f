"""Answers on a topic: which topics may be used, and what a broker that is away costs."""

import io

import pytest

from paceline.sink_errors import SinkError
from paceline.sinks import Entry, Record, SinkOptions, open_sink
from paceline.sinks.mqtt import CONFIRM_EVERY
from wire.errors import LinkDownError

ENTRY = Entry(Record(frame=0, source="a"))


class Broker:
    """The outermost edge of a session: takes messages, or is away."""

    def __init__(self):
        self.away = False
        self.confirmed = []

    def publish(self, topic, payload, qos=0, *, retain=False, confirm_seconds=None):
        """Take it."""
        if self.away:
            raise LinkDownError("mqtt://here")
        self.confirmed.append(confirm_seconds is not None)


def sink(topic="answers", *, qos=0, broker=None):
    """Return the sink."""
    options = SinkOptions("json", qos, "paceline", broker or Broker(), io.StringIO())
    return open_sink(f"mqtt:{topic}", options)


@pytest.mark.parametrize("topic", ["a", "site/lane 4/cars", "paceline2/x", "ä/ö", "a//b", "/a"])
def test_topics_that_may_be_used(topic):
    """Any that MQTT takes, but for the site's own."""
    sink(topic)


@pytest.mark.parametrize(
    ("topic", "problem"),
    [
        ("", "1 to 1024 bytes"),
        ("a" * 1025, "1 to 1024 bytes"),
        ("a/+/b", "no wildcards"),
        ("a/#", "no wildcards"),
        ("a\0b", "no control characters"),
        ("a\nb", "no control characters"),
        ("$SYS/broker", "the broker's own"),
        ("paceline", "Paceline's own"),
        ("paceline/v1/default/d/pi1/desired", "Paceline's own"),
    ],
)
def test_topics_that_are_refused(topic, problem):
    """Before anything runs."""
    with pytest.raises(SinkError, match=problem):
        sink(topic)


def test_a_broker_that_is_away_costs_the_answers_of_that_time():
    """They are counted; the run goes on."""
    broker = Broker()
    made = sink(broker=broker)
    made.write(ENTRY)
    broker.away = True
    made.write(ENTRY)
    made.write(ENTRY)
    broker.away = False
    made.write(ENTRY)

    assert (made.unsent, len(broker.confirmed)) == (2, 2)


@pytest.mark.parametrize("qos", [0, 1])
def test_what_a_broker_has_not_acknowledged_is_bounded(qos):
    """With QoS 1 one in so many waits for its acknowledgement, and with it for those before."""
    broker = Broker()
    made = sink(qos=qos, broker=broker)
    for _ in range(2 * CONFIRM_EVERY):
        made.write(ENTRY)

    assert sum(broker.confirmed) == 2 * qos
    assert broker.confirmed[CONFIRM_EVERY - 1] is bool(qos)
