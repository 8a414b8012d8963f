"""A client that is gone leaves nothing behind that is done again."""

from wire.hop import sender as hop_sender
from wire.topics import Lane


def test_a_client_that_dies_has_nothing_run_again(fleet, tools, monkeypatch):
    """It acknowledges nothing: when a stage dies later, only what that one held is sent again."""
    route, (first, last) = fleet.chain(None, None)
    gone = fleet.client(route, "gone")
    gone.link.lose = lambda address: address == fleet.site.credit("d1", "p", Lane(1, 1))
    client = fleet.client(route)
    with monkeypatch.context() as hasty:
        hasty.setattr(hop_sender, "PROBE_SECONDS", 0.02)
        hasty.setattr(hop_sender, "SILENCE_SECONDS", 0.2)
        gone.answers(tools.numbered(3))
        gone.link.close()
        client.answers(tools.numbered(100))
        tools.eventually(lambda: first.serving._outbound.settled)
    before = first.counts.sent_again  # a busy machine is silent for so long, too

    last.kill()
    stage = last.serving._stage
    back = fleet.worker(stage.assignment, stage.device)
    answers, _ = client.answers(tools.numbered(8))
    tools.eventually(lambda: first.serving._outbound.settled and back.counts.run >= 8)

    assert [int(answer["x"][0]) for answer in answers] == list(range(8))
    assert (back.counts.run, first.counts.sent_again) == (8, before)


def test_a_client_that_leaves_is_not_waited_for(fleet, tools):
    """It says what has come, without being asked: nothing is kept for it."""
    route, (first, last) = fleet.chain(None, None)
    leaving = fleet.client(route, "leaving")
    leaving.answers(tools.numbered(3))
    out = fleet.site.topic("out", pipeline="p", client="leaving")
    last.link.lose = lambda address: address == out
    leaving.plane.close()

    tools.eventually(lambda: not last.serving._outbound.kept_bytes)
    tools.eventually(lambda: first.serving._outbound.settled)
