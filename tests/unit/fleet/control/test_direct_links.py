"""What assignments say for direct links between stages."""

import msgspec

from fleet.control.direct_links import Links, linked
from wire import messages
from wire.messages import Assignment, Contract, Peer, Peers, Transfer

NOTHING = Contract(receives=(), sends=(), inputs=(), outputs=())


def assignment(stage, before=(), after=()):
    """Return a stage's assignment between these devices."""
    return Assignment(
        pipeline="p", generation=1, stage=stage, segment="s", format="onnx", files=(),
        contract=NOTHING, runtime="identity", transfer=Transfer(link="auto", codec="fp16"),
        peers=Peers(
            upstream=tuple(Peer(device=d, stage=stage - 1) for d in before),
            downstream=tuple(Peer(device=d, stage=stage + 1) for d in after),
        ),
    )  # fmt: skip


CHAIN = (assignment(0, (), "bc"), assignment(1, "a", "d"), assignment(1, "a", "d"))


def test_every_neighbour_is_named_with_the_certificate_that_it_told():
    """One that told none has none: its links off the host go through the broker."""
    made = linked(CHAIN, Links("t" * 64, {"a": "A", "b": "B"}))

    assert [p.certificate for p in made[0].peers.downstream] == ["B", ""]
    assert [[p.certificate for p in m.peers.upstream] for m in made[1:]] == [["A"], ["A"]]


def test_all_stages_have_the_token():
    """Link and codec are nobody's business here."""
    made = linked(CHAIN, Links("t" * 64))

    assert {m.transfer for m in made} == {Transfer(link="auto", codec="fp16")}
    assert {m.peers.token for m in made} == {"t" * 64}


def test_who_and_where_stay_as_they_were():
    """Only links are changed."""
    before = [msgspec.to_builtins(a) for a in CHAIN]
    after = [msgspec.to_builtins(a) for a in linked(CHAIN, Links())]

    assert before == after


def test_the_token_is_not_shown():
    """It must not get into a log or a traceback."""
    assert "secret" not in repr(Links("secret"))


def test_orders_with_certificates_stay_small():
    """Sixteen stages with two replicas each still fit into one desired state."""
    peers = {f"device-{n}": "C" * 400 for n in range(48)}
    names = list(peers)
    chain = [assignment(n, names[:2], names[2:4]) for n in range(16)]
    made = messages.Desired(
        site="s", device="d", epoch=1, revision=1, issued_unix_ns=1,
        assignments=linked(chain, Links("t" * 64, peers)),
    )  # fmt: skip

    assert len(messages.encode("desired", made)) < 60_000
