"""A stage on several devices: each takes what it can, order stays, and one may die."""

import time

import pytest

from wire.hop import sender as hop_sender


def values(answers):
    """Return what came back, which is the number of the frame that went in."""
    return [int(answer["x"][0]) for answer in answers]


def slow(seconds):
    """Return a runtime's function that takes so long."""

    def run(arrays):
        time.sleep(seconds)
        return arrays

    return run


@pytest.mark.parametrize("counts", [(2,), (1, 2), (2, 1), (2, 3, 2)], ids=str)
def test_every_replica_takes_frames_and_order_stays(fleet, tools, counts):
    """At the entry, in the middle and at the end: answers come in the order of submission."""
    route, stages = fleet.replicated(*counts, runtimes=lambda *_: tools.Scripted(slow(0.002)))

    def source():
        for number, inputs in enumerate(tools.numbered(10_000)):
            if number >= 60 and all(w.runtime.runs for workers in stages for w in workers):
                return
            yield inputs

    answers, stream = fleet.client(route).answers(source())
    count = len(answers)

    def run():
        return [sum(w.counts.run for w in workers) for workers in stages]

    assert values(answers) == list(range(count))
    tools.eventually(lambda: run() == [count] * len(counts))
    assert count < 10_000
    assert (stream.accounting.late, stream.accounting.lost) == (0, 0)


def test_the_faster_replica_takes_more(fleet, tools):
    """A frame goes where the least is waiting: each run of one takes five runs of the other."""
    quick = tools.Scripted()

    def five_times(arrays):
        due = min(45, 5 * len(slower.runtime.runs))
        tools.eventually(lambda: len(quick.runs) >= due)
        return arrays

    route, (_, (fast, slower)) = fleet.replicated(
        1, 2, runtimes=lambda stage, i: (quick, tools.Scripted(five_times))[i] if stage else None,
        limits=(2, 1 << 16),
    )  # fmt: skip

    answers, _ = fleet.client(route).answers(tools.numbered(60), window=16)
    tools.eventually(lambda: fast.counts.run + slower.counts.run == 60)

    assert values(answers) == list(range(60))
    assert fast.counts.run > 2 * slower.counts.run > 0


@pytest.mark.parametrize("counts", [(2,), (1, 2), (1, 2, 1)], ids=str)
def test_a_replica_that_dies_costs_no_frame(fleet, tools, counts):
    """What it held is run by the other; the client sees neither a loss nor a repetition."""
    route, stages = fleet.replicated(*counts, runtimes=lambda *_: tools.Scripted(slow(0.005)))
    victim = next(workers for workers in stages if len(workers) > 1)[0]

    def source():
        for number, inputs in enumerate(tools.numbered(60)):
            if number == 20:
                victim.kill()
            yield inputs

    answers, stream = fleet.client(route).answers(source())

    assert [answer.error for answer in answers] == [None] * 60
    assert values(answers) == list(range(60))
    assert stream.accounting.lost == 0


def test_a_replica_that_comes_back_is_used_again(fleet, tools):
    """It is asked on while it is silent, and takes frames as soon as it answers."""
    route, stages = fleet.replicated(1, 2, runtimes=lambda *_: tools.Scripted(slow(0.005)))
    first, second = stages[1]
    client = fleet.client(route)
    client.answers(tools.numbered(8))
    first.kill()
    client.answers(tools.numbered(8))
    back = fleet.worker(first.serving._stage.assignment, first.serving._stage.device)
    tools.eventually(lambda: client.answers(tools.numbered(8)) and back.counts.run)

    assert back.counts.run > 0
    assert second.counts.run > 0


def test_the_last_of_all_replicas_dies(fleet, tools, monkeypatch):
    """Nobody can take the frames: each ends, with the reason, and the sum holds."""
    monkeypatch.setattr(hop_sender, "PROBE_SECONDS", 0.02)
    monkeypatch.setattr(hop_sender, "SILENCE_SECONDS", 0.2)
    route, stages = fleet.replicated(1, 2, limits=(2, 1 << 16))
    client = fleet.client(route)
    client.answers(tools.numbered(4))
    for worker in stages[1]:
        worker.kill()

    answers, stream = client.answers(tools.numbered(4), deadline_seconds=2.0)

    assert {answer.error.reason for answer in answers} <= {"frame.deadline", "worker.lost"}
    assert stream.accounting.lost == 0
