"""A pipeline's entry as a client sends to it: credit of each replica, and the way frames take."""

import random
from collections.abc import Callable, Mapping

from wire import link_names
from wire.buffers import Buffer
from wire.clock import clock_id
from wire.direct.paths import Neighbour, Ours, Paths
from wire.hop.replicas import Replicas
from wire.links import Link


class Entry:
    """The first stage of one generation.

    Args:
        client: Who sends.
        devices: Where it runs, by the addresses of the lanes.
        link: The broker's.
        usual: Its name.
        receive: Takes grants that come back on a direct connection.
        changed: Called, in any thread, when ``paths`` have something to do.
        host: What names this machine and its boot; None: as it is.
    """

    def __init__(
        self,
        client: str,
        devices: Mapping[str, str],
        link: Link,
        *,
        usual: str = link_names.DEFAULT,
        receive: Callable[[Buffer], None] = lambda _: None,
        changed: Callable[[], None] = lambda: None,
        host: str | None = None,
    ) -> None:
        self.replicas = Replicas(client, devices, random_number)
        """Guarded by its owner's lock."""
        ours = Ours(sender=client, host=host or clock_id(), usual=usual, wanted=link_names.AUTO)
        neighbours = {address: Neighbour(device) for address, device in devices.items()}
        self.paths = Paths(link, neighbours, ours, receive=receive, changed=changed)


def random_number() -> int:
    """Return a number that nobody else draws."""
    return random.SystemRandom().getrandbits(63)
