"""How large a packet may be: what the broker tells, or what comes through."""

import time
from collections.abc import Iterator
from typing import Final, NamedTuple

from agent.doctor import Group, note, ok, problem
from agent.examination.broker_client import NoAnswerError
from agent.examination.broker_talk import Talk, started
from agent.examination.subject import Place, Subject
from wire.chunk import LARGEST_CHUNK_BYTES
from wire.errors import CodedError, MqttPacketError
from wire.reports import Finding

LARGEST_BYTES: Final = 16 << 20
"""Larger packets are not tried."""
SMALLEST_BYTES: Final = 64 << 10
NEEDED_BYTES: Final = 97 << 10
"""What a chunk takes where no limit is known."""
PACKET_SECONDS: Final = 4.0
"""A packet that takes longer is the end of the search: the network is slow, or it was dropped."""
SEARCH_SECONDS: Final = 15.0


class Limit(NamedTuple):
    """What came of trying."""

    taken: int
    """The largest packet that came back."""
    failed: int | None = None
    """The smallest that did not; None: none failed."""
    how: str = ""
    """What became of that one."""


def findings(subject: Subject) -> Iterator[Finding]:
    """Yield the packet limit of each broker that lets us talk."""
    for place in subject.open_brokers():
        talk = started(place)
        if talk is not None:
            yield from packet_limit(talk, place.broker.max_packet_bytes)


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
    if carried(talk, SMALLEST_BYTES >> 6) is None:  # else not even small ones come: said elsewhere
        yield limit_measured(talk.place, measured(talk, configured), configured)


def measured(talk: Talk, configured: int | None) -> Limit:
    """Return what came of trying packets, to a topic of our own, not retained, a connection each.

    What is configured is tried first; where that does not come back, or nothing is configured,
    packets grow to 16 MiB by doubling, then the gap is halved three times.
    """
    if configured is not None:
        size = min(configured, LARGEST_BYTES)
        if carried(talk, size) is None:
            return Limit(size)
    ends = time.monotonic() + SEARCH_SECONDS
    limit, size, halvings = Limit(0), SMALLEST_BYTES, 3
    while size <= LARGEST_BYTES and time.monotonic() < ends:
        how = carried(talk, size)
        limit = limit._replace(taken=size) if how is None else Limit(limit.taken, size, how)
        if limit.failed is None:
            size *= 2
        elif halvings:
            halvings -= 1
            size = (limit.taken + limit.failed) // 2
        else:
            break
    return limit


def limit_measured(place: Place, limit: Limit, configured: int | None) -> Finding:
    """Return what a measured limit means for what is configured."""
    taken, failed, how = limit
    if failed is None:
        said = f"the broker does not tell its limit; {_size(taken)} came through"
    else:
        said = f"the broker does not tell its limit; {_size(taken)} came, {_size(failed)}: {how}"
    if configured is not None and configured <= taken:
        return ok("broker.packet_limit", f"{said}; {place.key}.max_packet_bytes is {configured}")
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
    if failed is None:  # more than we try
        return ok("broker.packet_limit", f"{said}; {place.key}.max_packet_bytes is {configured}")
    return problem(
        "broker.packet_limit",
        f"{said}; {place.key}.max_packet_bytes is {configured}",
        f"write `max_packet_bytes: {taken}` {place.below}",
    )


def carried(talk: Talk, size: int) -> str | None:
    """Return why a packet of so many bytes does not come back to us; None: it does."""
    topic = talk.topic("size")
    payload = bytes(max(0, size - len(topic) - 10))
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


def _size(size_bytes: int) -> str:
    return (
        f"{size_bytes / (1 << 20):.3g} MiB" if size_bytes >= 1 << 20 else f"{size_bytes >> 10} KiB"
    )


PLUGIN = Group("Broker, packets", findings, limit_seconds=60.0)
