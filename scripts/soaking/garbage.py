"""What a stranger with a publisher can say on the control topics: nothing of it may do anything."""

import contextlib
import json
import random
import time
from collections.abc import Callable
from typing import Final

from scripts.soaking import plan
from wire.errors import LinkDownError
from wire.session import Session
from wire.topics import Site

BETWEEN_SECONDS: Final = 0.005

_ORDER: Final = {
    "schema": 1, "site": "default", "device": "d1", "epoch": 99, "revision": 99,
    "issued_unix_ns": 1, "assignments": [], "signature": "A" * 86,
}  # fmt: skip


def flood(session: Session, topics: Site, seed: int, seconds: float) -> int:
    """Publish garbage, nothing retained, for a while; returns how many messages."""
    chance = random.Random(seed)
    ends, said = time.monotonic() + seconds, 0
    while time.monotonic() < ends:
        with contextlib.suppress(LinkDownError):
            session.publish(_topic(chance, topics), chance.choice(_PAYLOADS)(chance), 0)
            said += 1
        time.sleep(BETWEEN_SECONDS)
    return said


def _topic(chance: random.Random, topics: Site) -> str:
    device, pipeline = chance.choice(plan.DEVICES), chance.choice(list(plan.PLACEMENTS))
    return chance.choice(
        [
            topics.device("desired", device),
            topics.device("cmd", device),
            topics.topic("rebirth", service="stranger"),
            topics.topic("route", pipeline=pipeline),
            f"{topics.prefix}d/{device}/in/{pipeline}/1-0",
            f"{topics.prefix}d/{device}/cr/{pipeline}/1-0",
        ]
    )


def _noise(chance: random.Random) -> bytes:
    return chance.randbytes(chance.randrange(1, 4096))


def _forged(chance: random.Random) -> bytes:
    order = {**_ORDER, "device": chance.choice([*plan.DEVICES, "../d1", "#", "d1\0"])}
    return json.dumps(order).encode()


def _truncated(chance: random.Random) -> bytes:
    data = _forged(chance)
    return data[: chance.randrange(1, len(data))]


def _huge(chance: random.Random) -> bytes:
    return b"[" * chance.randrange(100_000, 200_000)


def _command(chance: random.Random) -> bytes:
    said = {"id": "x" * chance.randrange(1, 400), "command": "obey", "reply_to": "../../#"}
    return json.dumps({**said, "expires_unix_ns": time.time_ns() + 10**10}).encode()


_PAYLOADS: Final[list[Callable[[random.Random], bytes]]] = [
    _noise, _forged, _truncated, _huge, _command, lambda _: b"{}", lambda _: b"null",
]  # fmt: skip
