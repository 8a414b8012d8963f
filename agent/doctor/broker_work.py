"""What a broker really does with our messages: on topics of our own, everything taken back."""

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Final

from agent.doctor import Group, ok, problem, warning
from agent.examination.broker_client import HEAR_SECONDS
from agent.examination.broker_talk import Talk, started
from agent.examination.subject import Subject
from wire.errors import CodedError
from wire.mqtt.packets import LastWill
from wire.reports import Finding

STALL_SECONDS: Final = 0.03
ROUNDS: Final = 9

Check = Callable[[Talk], Iterator[Finding]]


def findings(subject: Subject) -> Iterator[Finding]:
    """Yield what each broker that lets us in does with messages."""
    for place in subject.open_brokers():
        talk = started(place)
        if talk is None:
            continue  # it has no findings here: the group before said why
        carried = list(carries(talk))
        yield from carried
        if any(finding.severity == "problem" for finding in carried):
            continue
        for finding, check in CHECKS.items():
            yield from _surely(talk, finding, check)


def _surely(talk: Talk, finding: str, check: Check) -> Iterator[Finding]:
    """Yield what a check finds; a broker that breaks off in the middle is a finding."""
    try:
        yield from check(talk)
    except (OSError, CodedError) as error:
        yield problem(
            finding,
            f"{talk.url} broke off while this was looked at ({error})",
            "look into the broker's log",
        )


def carries(talk: Talk) -> Iterator[Finding]:
    """Yield whether a message on our own topics comes to a subscriber."""
    topic = talk.topic("live")
    fix = f"let this device use its topics (mosquitto ACL: `pattern readwrite {talk.pattern}`)"
    try:
        with talk.connect() as hearer, talk.connect() as speaker:
            hearer.subscribe(topic)
            speaker.publish(topic, b"live")
            heard = hearer.hear()
    except (OSError, CodedError) as error:
        yield problem("broker.topics", f"{talk.allowed} cannot be used ({error})", fix)
        return
    if heard is None:
        said = f"a message on {talk.allowed} was acknowledged and came to nobody"
        yield problem("broker.topics", said, fix)
    else:
        yield ok("broker.topics", f"messages on {talk.allowed} come to their subscriber")


def retained(talk: Talk) -> Iterator[Finding]:
    """Yield whether a retained message waits for who comes later, and goes when taken back."""
    topic = talk.topic("retained")
    with talk.connect() as speaker:
        try:
            speaker.publish(topic, b"kept", retain=True)
            with talk.connect() as later:
                later.subscribe(topic)
                kept = later.hear()
        finally:
            with contextlib.suppress(OSError, CodedError):
                speaker.publish(topic, b"", retain=True)
    if kept is None or kept.payload != b"kept" or not kept.retain:
        yield problem(
            "broker.retained",
            "a retained message did not come to a client that subscribed after it",
            "allow retained messages (mosquitto.conf: `retain_available true`), or use another"
            " broker: orders and routes are retained",
        )
        return
    with talk.connect() as last:
        last.subscribe(topic)
        left = last.hear(0.3)
    if left is None:
        yield ok("broker.retained", "a retained message was kept, and went when it was taken back")
    else:
        yield warning(
            "broker.retained",
            f"a retained message stays after it was taken back ({topic})",
            f"clear it with `mosquitto_pub -r -n -t {topic}`, and look into the broker's log",
        )


def will(talk: Talk) -> Iterator[Finding]:
    """Yield whether a broken connection is told to others by its will."""
    topic = talk.topic("will")
    with talk.connect() as hearer:
        hearer.subscribe(topic)
        began = time.monotonic()
        talk.connect(LastWill(topic, b"gone", retain=True)).close()
        try:
            heard = hearer.hear()
            seconds = time.monotonic() - began
        finally:
            hearer.publish(topic, b"", retain=True)
    if heard is None or heard.payload != b"gone":
        yield problem(
            "broker.will",
            f"the will of a broken connection did not come within {HEAR_SECONDS:g} s",
            f"let this device publish it (mosquitto ACL: `pattern readwrite {talk.pattern}`), or"
            " use another broker: without wills nobody learns that a device is gone",
        )
    else:
        yield ok(
            "broker.will", f"the will of a broken connection came {seconds * 1e3:.0f} ms later"
        )


def acknowledgement(talk: Talk) -> Iterator[Finding]:
    """Yield how long a QoS 1 message takes to come back, with TCP's acknowledgements delayed.

    What comes back are two small packets, the message and the acknowledgement, and nothing is sent
    between them: a broker without TCP_NODELAY holds the second one back.
    """
    topic = talk.topic("time")
    seconds = []
    with talk.connect() as client:
        client.subscribe(topic, qos=0)
        for number in range(ROUNDS):
            client.delay_acknowledgements()
            began = time.monotonic()
            client.publish(topic, bytes((number,)))
            if client.hear() is None:
                return
            seconds.append(time.monotonic() - began)
    median = statistics.median(seconds)
    said = f"a QoS 1 message comes back after {median * 1e3:.1f} ms"
    if median < STALL_SECONDS + talk.network_seconds:
        yield ok("broker.acknowledgement", said)
    else:
        yield warning(
            "broker.acknowledgement",
            f"{said}: the broker holds small packets back until TCP acknowledges the one before",
            "mosquitto.conf: `set_tcp_nodelay true` (other brokers: TCP_NODELAY)",
        )


CHECKS: Final[dict[str, Check]] = {
    "broker.retained": retained,
    "broker.will": will,
    "broker.acknowledgement": acknowledgement,
}
PLUGIN = Group("Broker at work", findings, limit_seconds=60.0)
