"""The book of one stream, as it is published."""

import threading

from paceline.ledger import Ledger
from wire import timings
from wire.histogram import Histogram
from wire.timings import StageTimes


def _meta(*stages):
    """Return a result's meta as it comes through these stages."""
    meta = {"client": "c"}
    for stage in stages:
        times = {"received": 1, "started": 2, "run": 3, "finished": 4, "sent": 5}
        entry = StageTimes(stage=stage, device=f"d{stage}", clock="c", **times)
        meta[timings.KEY] = timings.appended(meta, entry)
    return meta


def test_account_tells_the_latency_of_results_and_the_newest_one_by_the_clients_clock():
    """Whoever watches sees how long frames take without a clock of its own."""
    ledger = Ledger(threading.Condition())
    for _ in range(3):
        ledger.enter(10.0)
        ledger.sent(ledger.next_sequence - 1)
    ledger.result(0, {}, _meta(0))
    ledger.error(1, "worker.lost", "gone")
    ledger.result(2, {}, _meta(0, 1))

    told = ledger.account("p", "c", 7, links={"d1": "uds"})
    answers = {answer.sequence: answer for answer in (ledger.take() for _ in range(3))}

    latency = Histogram.from_message(told.latency)
    assert latency.count == told.results == 2
    assert latency.sum_ns == sum(
        answers[number].answered_ns - answers[number].submitted_ns for number in (0, 2)
    )
    assert told.links == {"d1": "uds"}
    assert [entry["device"] for entry in told.timings] == ["d0", "d1"]
    assert told.frame is not None
    assert (told.frame.sequence, told.frame.answered) == (2, answers[2].answered_ns)
    assert told.frame.submitted <= told.frame.sent <= told.frame.answered


def test_account_before_the_first_result_has_no_frame():
    """Nothing is made up."""
    told = Ledger(threading.Condition()).account("p", "c", 7)

    assert told.frame is None
    assert told.timings == ()
    assert Histogram.from_message(told.latency).count == 0
