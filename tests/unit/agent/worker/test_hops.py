"""The hops that leave a worker."""

from agent.worker import hops as module
from agent.worker.hops import Hops
from wire.hop import Grant


def test_a_successor_that_takes_none_yet(made):
    """The frame waits."""
    hops = Hops(made.stage())
    ((address, position),) = hops.due(0.0, waiting=True, up=True).probes
    opened = Grant(position.hop, 1, 0, 0, 0, 0, 2, 1 << 20, 1 << 16)
    hops.granted(opened)
    taken = hops.take("key", 10)
    hops.granted(opened._replace(receiver=2, frames=0))

    assert taken.address == address
    assert hops.take("other", 10) is None


def test_what_is_remembered_of_all_clients_is_bounded(made, monkeypatch):
    """Who got nothing for longest is forgotten first; what its client has does not count."""
    monkeypatch.setattr(module, "REMEMBERED_IN_ALL", 10)
    hops = Hops(made.stage(downstream=()))
    gone = []
    for number in range(8):
        position, forgotten = hops.sent_to_client("quick", number, 10)
        gone += forgotten
        hops.granted(Grant(position.hop, 1, 0, number + 1, number + 1, number + 1, 0, 0, 0))
    for number in range(12):
        gone += hops.sent_to_client(f"client-{number}", number, 10)[1]

    assert gone == [0, 1]
    assert [hops.sent_to_client("client-1", 99, 10)[0].frames_before] == [0]


def test_each_client_is_asked_what_it_has(made, monkeypatch):
    """However many there are; a grant is taken for the one that it names."""
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.0)
    hops = Hops(made.stage(downstream=()))
    sent = {number: hops.sent_to_client(f"client-{number}", number, 10)[0] for number in range(100)}
    hops.due(0.0, waiting=False, up=True)
    probes = hops.due(0.5, waiting=False, up=True).probes
    heard = hops.granted(Grant(sent[7].hop, 1, 0, 1, 1, 1, 0, 0, 0))

    assert [address for address, _ in probes] == [f"client-{number}" for number in range(100)]
    assert (heard.arrived, heard.done) == ([7], [7])
