"""The ways on from a worker: to every replica of the next stage."""

from collections.abc import Callable

import structlog

from agent.channel import DirectAccess
from agent.worker.stage import Stage
from wire import link_names
from wire.buffers import Buffer
from wire.direct import pinned
from wire.direct.path import Neighbour, Ours
from wire.direct.paths import Paths
from wire.links import Link

log = structlog.get_logger()


def to_next_stage(
    stage: Stage,
    link: Link,
    access: DirectAccess | None = None,
    *,
    receive: Callable[[Buffer], None] = lambda _: None,
    changed: Callable[[], None] = lambda: None,
) -> Paths:
    """Return the ways to the next stage, as the assignment wants them.

    Args:
        stage: Where we are.
        link: The broker's.
        access: What we may use on this device; None: the broker's link alone.
        receive: Takes grants that come back on a connection.
        changed: See `wire.direct.paths.Paths`.
    """
    wanted, token = stage.assignment.transfer.link, stage.assignment.peers.token
    broker = link_names.brokered(wanted)
    able = (access is not None and token) or wanted == link_names.NEVER_BROKER
    ours = Ours(
        sender=stage.device,
        host=stage.clock,
        broker=broker,
        wanted=wanted if able else broker,
        token=token,
        own_file=access.certificate_file if access is not None else None,
    )
    neighbours = {
        stage.next_address(peer): Neighbour(peer.device, pinned.der(peer.certificate))
        for peer in stage.downstream
    }
    return Paths(link, neighbours, ours, receive=receive, changed=changed, say=log.info)
