"""How a client reaches one generation of a pipeline, and is reached by it.

All begins at the broker, unless no tensor may be there. What runs on the client's own host may be
reached directly: the first stage, by a connection for frames, and the last one, by another for
answers (`wire.direct.paths`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from wire import link_names
from wire.buffers import Buffer
from wire.clock import clock_id
from wire.direct.path import Neighbour, Ours
from wire.direct.paths import MAX_GRANT_BYTES, Paths
from wire.frame import MAX_FRAME_BYTES
from wire.hop.replicas import Replicas
from wire.links import Link
from wire.random_number import random_number


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Who sends and is answered.

    Args:
        name: Its id.
        link: The broker's.
        usual: Its name.
        granted: Takes credit that comes by a direct connection.
        answered: The same of answers.
        changed: Called, in any thread, when there is something to tend.
        host: What names this machine and its boot.
    """

    name: str
    link: Link
    usual: str = link_names.DEFAULT
    granted: Callable[[Buffer], None] = lambda _: None
    answered: Callable[[Buffer], None] = lambda _: None
    changed: Callable[[], None] = lambda: None
    host: str = ""


class Ways:
    """The ways to the first stage, and from the last one.

    Args:
        client: Who sends.
        first: The devices of the first stage, by the addresses of their lanes.
        last: Those of the last one, by where they hear what came.
        entry: The pipeline's link for frames; empty: it is not known.
        answers: The same for answers.
    """

    def __init__(
        self,
        client: Client,
        first: Mapping[str, str],
        last: Mapping[str, str],
        entry: str = "",
        answers: str = "",
    ) -> None:
        self.replicas = Replicas(client.name, first, random_number)
        """The first stage's; guarded by their owner's lock."""
        self.there = _paths(client, first, entry, client.granted, MAX_GRANT_BYTES)
        """What frames take."""
        self.back = _paths(client, last, answers, client.answered, MAX_FRAME_BYTES)
        """What answers take, and what tells that they came."""
        only_direct = self.there.never_broker or self.back.never_broker
        self.reached = self._reached if only_direct else None
        """Whether a frame can go to an address and be answered; None: to each of them."""

    @property
    def up(self) -> bool:
        """Whether frames can be sent and answered now."""
        return self.there.up and self.back.up

    def unreachable(self, since: float) -> str:
        """Return why frames or answers that may not go by the broker cannot go; empty: they can.

        Args:
            since: What was found before does not count; monotonic seconds.
        """
        return self.there.unreachable(since) or self.back.unreachable(since)

    def _reached(self, address: str) -> bool:
        return self.there.carries(address) and self.back.carries_some

    def close(self) -> None:
        """Close what is direct; closing twice is harmless."""
        self.there.close()
        self.back.close()


def _paths(
    client: Client,
    devices: Mapping[str, str],
    link: str,
    receive: Callable[[Buffer], None],
    max_frame_bytes: int,
) -> Paths:
    ours = Ours(
        sender=client.name,
        host=client.host or clock_id(),
        broker=client.usual,
        wanted=link or link_names.AUTO,
    )
    neighbours = {address: Neighbour(device) for address, device in devices.items()}
    return Paths(
        client.link,
        neighbours,
        ours,
        receive=receive,
        changed=client.changed,
        max_frame_bytes=max_frame_bytes,
    )
