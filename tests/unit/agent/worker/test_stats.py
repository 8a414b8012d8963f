"""What a worker counts, and that a copy of it can always be sent."""

from agent import channel
from agent.worker.stats import MAX_COUNT, MAX_UNCOUNTED, STEPS, Stats

WHO = {"pipeline": "p", "generation": 1, "stage": 0, "instance": 3}


def test_everything_is_counted_once():
    """Received, run and sent, and refusals and errors by code."""
    stats = Stats()
    stats.received(1, 10)
    stats.received(1, 5)
    stats.finished(7, queue=1_000, decode=2_000, run=2_000_000, encode=3_000, send=4_000)
    stats.failed("runtime.failed")
    stats.refused("frame.duplicate")
    stats.refused("link.lost", 3)

    got = stats.snapshot(**WHO)

    assert (got.counts.received, got.counts.received_bytes) == (2, 15)
    assert (got.counts.run, got.counts.sent, got.counts.sent_bytes) == (1, 1, 7)
    assert got.counts.errors == {"runtime.failed": 1}
    assert got.counts.refused == {"frame.duplicate": 1, "link.lost": 3}
    assert set(got.histograms) == set(STEPS)
    assert got.histograms["run"]["sum_ns"] == 2_000_000


def test_what_is_not_counted_yet_is_bounded():
    """Nobody may ask for a snapshot for long; then all is there."""
    stats = Stats()
    steps = dict.fromkeys(STEPS, 1_000)
    for _ in range(3 * MAX_UNCOUNTED + 1):
        stats.finished(1, **steps)

    assert stats.snapshot(**WHO).counts.run == 3 * MAX_UNCOUNTED + 1


def test_a_snapshot_is_a_copy():
    """What is counted afterwards does not change it."""
    stats = Stats()
    before = stats.snapshot(**WHO)

    stats.received(1, 1)
    stats.refused("x.y")

    assert (before.counts.received, before.counts.refused) == (0, {})


def test_counts_that_a_sender_claims_can_still_be_sent():
    """They stop at what every JSON reader takes; nothing overflows."""
    stats = Stats()
    for _ in range(9):
        stats.refused("link.lost", (1 << 62) - 1)

    report = channel.Stats(latency=stats.snapshot(**WHO))
    (back,) = channel.Inflow().reports(channel.encode(report))

    assert back.latency.counts.refused == {"link.lost": MAX_COUNT}
