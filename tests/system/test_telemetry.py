"""What an agent says of itself, and how often."""

import itertools
from statistics import mean

import pytest

from tests.system.place import until
from wire import messages
from wire.histogram import Histogram

STEPS = {"queue", "decode", "run", "encode", "send"}


@pytest.fixture(scope="module")
def served(shared_place, whole):
    """One device that serves."""
    shared_place.start("d1")
    shared_place.deploy(whole.folder, "d1")
    return shared_place


def gaps(heard):
    """Return the seconds between messages."""
    sent = [h.message.sent_unix_ns / 1e9 for h in heard]
    return [after - before for before, after in itertools.pairwise(sent)]


def test_health_and_its_pace(served):
    """Every 5 s with CPU, memory, load and disk; each second once somebody watches."""
    begun = len(served.ear.all("tele/health", "d1"))
    calm = until(
        lambda: len(h := served.ear.all("tele/health", "d1")[begun:]) >= 3 and h, "three messages"
    )
    served.ask("d1", "watch")
    begun = len(served.ear.all("tele/health", "d1"))
    watched = until(
        lambda: len(h := served.ear.all("tele/health", "d1")[begun:]) >= 4 and h, "four messages"
    )

    assert mean(gaps(calm)) > 3
    assert mean(gaps(watched)) < 0.7 * mean(gaps(calm))
    health = watched[-1].message
    rooms = {reading.name.split("_")[0] for reading in health.readings}
    assert {"cpu", "memory", "load", "disk", "clock", "worker"} <= rooms
    (private,) = [r for r in health.readings if r.name == "worker_private_bytes"]
    assert (private.labels["pipeline"], private.labels["stage"]) == ("p", "0")
    assert private.value > 1 << 20
    assert health.healthy
    assert health.session == served.status("d1").session


def test_latency_counts_every_frame(served, whole):
    """Each step's histogram has one entry for each frame that was run."""
    served.ask("d1", "watch")
    before = until(lambda: served.ear.last("tele/latency", "d1"), "counts").stages[0]
    pipeline = served.site.pipeline("p")
    answers = list(pipeline.stream(whole.inputs(number) for number in range(23)))

    def counted():
        (stage,) = served.ear.last("tele/latency", "d1").stages
        all_ran = stage.counts.run - before.counts.run == len(answers)
        return all_ran and stage.counts.sent == stage.counts.run and stage

    stage = until(counted, "all frames")
    histograms = {step: Histogram.from_message(h) for step, h in stage.histograms.items()}

    assert (stage.pipeline, stage.stage) == ("p", 0)
    assert stage.instance == before.instance
    assert set(histograms) == STEPS
    assert {h.count for h in histograms.values()} == {stage.counts.run}
    assert stage.counts.received == stage.counts.run == stage.counts.sent
    assert 0 < histograms["run"].percentile(0.5) < 1e9
    assert histograms["run"].sum_seconds > 0
    assert (stage.counts.errors, stage.suspect) == ({}, ())


def test_a_client_publishes_its_account(served, whole):
    """Every second while it is connected, with the waterfall of its last result."""
    accounts = []

    def hear(_topic, payload):
        accounts.append(messages.decode("acct", payload, messages.Account))

    served.ear.session.subscribe(served.topics.filter("acct"), 0, hear)
    pipeline = served.site.pipeline("p")
    pipeline.run(whole.inputs(0))

    def ended():
        return [a for a in accounts if a.stream == pipeline.account.stream and not a.in_flight]

    last = until(ended, "it")[-1]

    assert (last.submitted, last.results, last.in_flight, last.lost) == (1, 1, 0, 0)
    assert [entry["device"] for entry in last.timings] == ["d1"]


def test_rebirth(served):
    """Whoever asks hears status, info and report again."""
    kinds = ("status", "info", "reported")
    before = {kind: len(served.ear.all(kind, "d1")) for kind in kinds}
    said = {kind: served.ear.last(kind, "d1") for kind in kinds}

    rebirth = messages.encode("rebirth", messages.Rebirth(service="hub"))
    served.ear.say(served.topics.topic("rebirth", service="hub"), rebirth, qos=1)
    until(lambda: all(len(served.ear.all(k, "d1")) > before[k] for k in kinds), "all of it")

    assert served.status("d1").session == said["status"].session
    assert served.ear.last("info", "d1") == said["info"]
    assert served.reported("d1") == said["reported"]
