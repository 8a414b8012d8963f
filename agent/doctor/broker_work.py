"""What a broker really does with our messages: on topics of our own, everything taken back."""

import contextlib
import secrets
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Final

from agent.broker_client import ANSWER_SECONDS, BrokerClient, NoAnswerError
from agent.config import Broker, Config
from agent.doctor import Group, note, ok, problem, warning
from agent.doctor.broker import DIALECTS, access_of
from agent.doctor_subject import Place, Subject
from wire import broker_url
from wire.access import Access
from wire.broker_url import BrokerUrl
from wire.errors import CodedError, MqttPacketError
from wire.mqtt_packets import LastWill
from wire.reports import Finding
from wire.topics import Site

LARGEST_BYTES: Final = 16 << 20
"""Larger packets are not tried."""
LARGEST_CHUNK_BYTES: Final = 8 << 20
"""Frames are never cut into larger ones."""
SMALLEST_BYTES: Final = 64 << 10
NEEDED_BYTES: Final = 97 << 10
"""What a chunk takes where no limit is known."""
PACKET_SECONDS: Final = 4.0
"""A packet that takes longer is the end of the search: the network is slow, or it was dropped."""
SEARCH_SECONDS: Final = 15.0
STALL_SECONDS: Final = 0.03
ROUNDS: Final = 9


class Talk:
    """Connections to one broker, in a dialect that it speaks, on topics of our own."""

    def __init__(
        self, place: Place, url: BrokerUrl, dialect: str, access: Access, config: Config
    ) -> None:
        self.place = place
        self.url = url
        self.dialect = dialect
        self._access = access
        self._name = f"{config.device}.doctor"
        self._site = Site(config.site, config.root)
        self._device = config.device
        self._kind = f"d{secrets.token_hex(4)}"

    @property
    def network_seconds(self) -> float:
        """What one way there and back takes without a broker: the quickest of three connections."""
        seconds = []
        for _ in range(3):
            began = time.monotonic()
            with socket.create_connection((self.url.host, self.url.port), ANSWER_SECONDS):
                seconds.append(time.monotonic() - began)
        return min(seconds)

    def connect(self, will: LastWill | None = None) -> BrokerClient:
        """Return a new connection."""
        return BrokerClient(self.url, self.dialect, self._access, self._name, will)

    def topic(self, what: str) -> str:
        """Return a topic that only this examination uses."""
        return self._site.topic("doctor", device=self._device, kind=f"{self._kind}-{what}")

    @property
    def allowed(self) -> str:
        """What the broker must let this device write and read."""
        return self.topic("x").rpartition("/doctor/")[0] + "/#"


Check = Callable[[Talk], Iterator[Finding]]


def findings(subject: Subject) -> Iterator[Finding]:
    """Yield what each broker that lets us in does with messages."""
    for place, broker in subject.brokers():
        assert subject.config is not None
        talk = started(place, broker, subject.config)
        if talk is None:
            continue  # it has no findings here: the group before said why
        carried = list(carries(talk))
        yield from carried
        if any(finding.severity == "problem" for finding in carried):
            continue
        for finding, check in CHECKS.items():
            yield from _surely(talk, finding, check)
        yield from packet_limit(talk, broker.max_packet_bytes)


def started(place: Place, broker: Broker, config: Config) -> Talk | None:
    """Return a way to talk to a broker; None: it does not talk to us."""
    url, access = broker_url.parse(broker.url), access_of(broker, config.device)
    asked = DIALECTS if url.protocol == "auto" else (url.protocol,)
    for dialect in () if url.websocket else asked:
        talk = Talk(place, url, dialect, access, config)
        with contextlib.suppress(OSError, CodedError):
            talk.connect().close()
            return talk
    return None


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
    fix = f"let this device use its topics (mosquitto ACL: `pattern readwrite {_pattern(talk)}`)"
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
            f"the will of a broken connection did not come within {ANSWER_SECONDS:g} s",
            f"let this device publish it (mosquitto ACL: `pattern readwrite {_pattern(talk)}`), or"
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


def packet_limit(talk: Talk, configured: int | None) -> Iterator[Finding]:
    """Yield how large a packet may be, and whether the configuration knows it."""
    try:
        with talk.connect() as client:
            told = client.told_packet_bytes
    except (OSError, CodedError):
        return
    if told is not None:
        if configured is not None and configured > told:
            yield problem(
                "broker.packet_limit",
                f"the broker takes packets up to {told} bytes, and says so;"
                f" {talk.place.key}.max_packet_bytes is {configured}",
                f"write `max_packet_bytes: {told}` {talk.place.below}, or leave it out",
            )
        else:
            yield ok("broker.packet_limit", f"the broker says that it takes {told} bytes")
        return
    yield limit_measured(talk.place, *measured_limit(talk), configured)


def measured_limit(talk: Talk) -> tuple[int, int | None, str]:
    """Return the largest packet that came back, the smallest that did not, and how that one ended.

    Packets grow to 16 MiB by doubling, then the gap is halved three times; one connection each,
    not retained, to a topic of our own. None: no packet failed.
    """
    ends = time.monotonic() + SEARCH_SECONDS
    taken, failed, how, size = 0, None, "", SMALLEST_BYTES
    halvings = 3
    while size <= LARGEST_BYTES and time.monotonic() < ends:
        outcome = _carried(talk, size)
        if outcome is None:
            taken = size
            if failed is None:
                size *= 2
        else:
            failed, how = size, outcome
        if failed is not None:
            if not halvings or failed - taken <= 1024:
                break
            halvings -= 1
            size = (taken + failed) // 2
    return taken, failed, how


def limit_measured(
    place: Place, taken: int, failed: int | None, how: str, configured: int | None
) -> Finding:
    """Return what a measured limit means for what is configured."""
    if failed is None:
        said = f"the broker does not tell its limit; {_size(taken)} came through"
    else:
        said = f"the broker does not tell its limit; {_size(taken)} came, {_size(failed)}: {how}"
    if taken < NEEDED_BYTES:
        return problem(
            "broker.packet_limit",
            said,
            "let the broker take 1 MiB and more (mosquitto.conf: `max_packet_size`, and no"
            " `message_size_limit`)",
        )
    if configured is None:
        return note(
            "broker.packet_limit",
            f"{said}; unknown, packets of 96 KiB are used",
            f"write `max_packet_bytes: {min(taken, LARGEST_CHUNK_BYTES)}` {place.below}",
        )
    if failed is not None and configured > taken:
        return problem(
            "broker.packet_limit",
            f"{said}; {place.key}.max_packet_bytes is {configured}",
            f"write `max_packet_bytes: {taken}` {place.below}",
        )
    return ok("broker.packet_limit", f"{said}; {place.key}.max_packet_bytes is {configured}")


def _carried(talk: Talk, size: int) -> str | None:
    """Return why a packet of so many bytes does not come back to us; None: it does."""
    topic = talk.topic("size")
    payload = bytes(size - len(topic) - 10)
    try:
        with talk.connect() as client:
            client.subscribe(topic, qos=0)
            client.publish(topic, payload, seconds=PACKET_SECONDS)
            heard = client.hear(PACKET_SECONDS)
    except NoAnswerError as error:
        return error.how
    except MqttPacketError as error:
        return str(error)
    except CodedError as error:
        return getattr(error, "reason", str(error))
    except OSError as error:
        return f"the connection broke ({error.strerror or error})"
    return None if heard is not None else "acknowledged and dropped"


def _pattern(talk: Talk) -> str:
    """Return the ACL's pattern for a device's own topics: %u is the user, who is the device."""
    root, version, site = talk.allowed.split("/")[:3]
    return f"{root}/{version}/{site}/d/%u/#"


def _size(size_bytes: int) -> str:
    return (
        f"{size_bytes / (1 << 20):.3g} MiB" if size_bytes >= 1 << 20 else f"{size_bytes >> 10} KiB"
    )


CHECKS: Final[dict[str, Check]] = {
    "broker.retained": retained,
    "broker.will": will,
    "broker.acknowledgement": acknowledgement,
}
PLUGIN = Group("Broker at work", findings, limit_seconds=90.0)
