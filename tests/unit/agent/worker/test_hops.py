"""The hops that leave a worker."""

from agent.worker.hops import Hops
from wire.hop import Grant


def test_a_successor_that_takes_none_yet(made):
    """Its grant came between the look and the frame, which waits then."""
    hops = Hops(made.stage())
    ((address, position),) = hops.due(0.0, waiting=True, up=True).probes
    opened = Grant(position.hop, 1, 0, 0, 0, 2, 1 << 20, 1 << 16)
    hops.granted(opened)
    roomy = hops.roomy(10)
    hops.granted(opened._replace(receiver=2, frames=0))

    assert roomy == address
    assert hops.sent(address, "key", 10) is None
