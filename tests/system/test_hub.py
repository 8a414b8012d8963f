"""The hub beside real devices on a real broker."""

import itertools
import threading
import time

import pytest

from fleet.hub.account_book import LISTENED_SECONDS
from fleet.hub.rollups import STEP_SECONDS
from fleet.hub.site_state import SiteState
from fleet.hub.store.store import Store
from tests.system.hub_process import HubProcess
from tests.system.place import PATIENCE_SECONDS, until
from wire import messages
from wire.messages import Account, Status

pytest.importorskip("litestar")


@pytest.fixture
def hub(place, tmp_path):
    """Starts hubs beside a place; each keeps things in the same file."""
    started = []

    def start(*options):
        made = HubProcess(place.broker.url, tmp_path / "hub.db", *options)
        started.append(made)
        return made

    yield start
    for one in started:
        one.end()


class Feeding:
    """A client that feeds a pipeline until it is told to stop."""

    def __init__(self, place, whole, rate=20.0):
        self.pipeline = place.site.pipeline("p")
        self.ended = threading.Event()
        self.whole, self.rate = whole, rate
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _frames(self):
        number = 0
        while not self.ended.is_set():
            yield self.whole.inputs(number % 8)
            number += 1

    def _run(self):
        for _ in self.pipeline.stream(self._frames(), rate=self.rate, deadline_seconds=4.0):
            pass

    def stop(self):
        """End the stream; returns its account."""
        self.ended.set()
        self._thread.join()
        return self.pipeline.account


def _adds_up(account):
    ended = account["results"] + sum(account["errors"].values()) + account["drops"]
    return account["submitted"] == ended + account["in_flight"]


def _is_measured(view):
    """Whether every stage and link of a pipeline and its clients have told what they measure."""
    hops = [
        (link["bytes_per_frame"], link["hop_seconds_p50"] is not None) for link in view["links"]
    ]
    runs = [stage["run_seconds_p50"] for stage in view["stages"]]
    whole = [view["waterfall"], view["frames_per_second"], view["latency_seconds_p50"]]
    return hops and all([*runs, *whole, *itertools.chain(*hops)])


def _results(hub):
    """Return the results of the last five minutes, by the hub's history of closed windows."""
    series = hub.get("pipelines/p/series?seconds=300")
    rates = [rate for rate in series["frames_per_second"] if rate is not None]
    return round(sum(rates) * series["step_seconds"])


@pytest.mark.on_each_broker
def test_pipeline_is_seen_whole(place, hub, chain):
    """Stages with their devices, links, rates, latencies, the newest frame's way, the account."""
    place.start("d1", "d2", "d3")
    place.deploy(chain.folder, "d1", "d2", "d3")
    seen = hub()
    feeding = Feeding(place, chain)
    view = seen.until_pipeline(_is_measured, "measurements")
    account = feeding.stop()
    ended = seen.until_pipeline(
        lambda v: v["account"]["submitted"] == account.submitted and not v["account"]["in_flight"],
        "the whole account",
    )
    site = seen.get("site")
    series = seen.get("pipelines/p/series?seconds=300")

    assert view["condition"] == "serving"
    assert series["step_seconds"] == 2  # there is no history of before: the finest steps
    assert [s["device"] for s in view["stages"]] == ["d1", "d2", "d3"]
    assert {s["runtime_actual"] for s in view["stages"]} == {"onnx_cpu"}
    assert len(view["links"]) == 4
    assert all(link["bytes_per_frame"] for link in view["links"])
    assert all(link["hop_seconds_p50"] is not None for link in view["links"])
    assert view["frames_per_second"] > 0
    assert 0 < view["latency_seconds_p50"] <= view["latency_seconds_p95"]
    assert ended["account"]["results"] == account.results
    assert _adds_up(view["account"])
    assert _adds_up(ended["account"])
    assert (site["devices_heard"], site["devices_known"], site["devices_missing"]) == (3, 3, [])


def test_killed_device_is_red_with_its_reason_and_green_again(place, hub, slow_chain):
    """And at every instant in between the account adds up."""
    place.start("d1", "d2")
    place.deploy(slow_chain.folder, "d1", "d2")
    seen = hub()
    feeding = Feeding(place, slow_chain)
    seen.until_pipeline(lambda v: v["account"]["results"] > 5, "results")
    place.kill("d2")
    accounts = []
    red = seen.until_pipeline(
        lambda v: accounts.append(v["account"]) or v["stages"][1]["state"] == "error", "red"
    )
    gone = seen.device("d2")
    place.start("d2")
    green = seen.until_pipeline(
        lambda v: accounts.append(v["account"]) or v["state"] == "ok", "green"
    )
    account = feeding.stop()
    seen.until_pipeline(
        lambda v: v["account"]["submitted"] == account.submitted and not v["account"]["in_flight"],
        "the whole account",
    )

    assert red["stages"][1]["reason"]["code"] == "device.lost"
    assert red["condition"] == "down"
    assert (gone["presence"], gone["state"]) == ("lost", "error")
    assert gone["next_step"]["command"] == "ssh d2 systemctl status paceline-agent"
    assert green["condition"] == "serving"
    assert all(_adds_up(account) for account in accounts)


def test_killed_hub_knows_what_it_knew_but_for_its_last_second(place, hub, whole):
    """Devices, accounts and history; and who is not heard any more is named."""
    place.start("d1", "d2")
    place.deploy(whole.folder, "d1")
    seen = hub()
    until(lambda: seen.status_of("readyz") == 200, "the hub on the broker")
    time.sleep(LISTENED_SECONDS + 1.0)  # before that, what it hears may have been for long
    feeding = Feeding(place, whole)
    seen.until_pipeline(lambda v: v["account"]["results"] > 20, "results")
    until(lambda: seen.get("site")["devices_known"] == 2, "both devices")
    account = feeding.stop()
    seen.until_pipeline(lambda v: v["account"]["submitted"] == account.submitted, "the account")
    time.sleep(5.0)  # what it is not allowed to lose is older than a second, of its own time
    seen.kill()
    place.agents["d2"].stop(PATIENCE_SECONDS)
    for kind in ("status", "info", "reported"):  # a broker that lost its memory
        place.ear.say(place.topics.device(kind, "d2"), b"", qos=1, retain=True)
    again = hub()
    view = again.until_pipeline(lambda v: v["state"] == "ok", "the pipeline")
    site = again.get("site")

    assert view["account"]["submitted"] == account.submitted
    assert view["account"]["results"] == account.results
    assert (site["devices_heard"], site["devices_known"]) == (1, 2)
    assert site["devices_missing"] == ["d2"]
    assert again.device("d2")["presence"] == "unknown"
    until(lambda: _results(again) == account.results, lambda: f"history; {_results(again)}")


def test_hub_that_is_back_within_one_window_shows_what_came_before(place, hub, tmp_path):
    """The window that the hub before it began is still open, and in none of the finest steps."""
    account = Account(
        pipeline="p", client="c", stream=1, submitted=36, results=36, errors={}, drops=0,
        in_flight=0, lost=0, sent_unix_ns=0,
    )  # fmt: skip
    state = SiteState(place.topics)
    state.connected(0.0)
    topic = place.topics.topic("acct", pipeline="p", client="c")
    ahead = time.time() + STEP_SECONDS  # still open however long the hub takes to start
    state.take(topic, messages.encode("acct", account), LISTENED_SECONDS + 1, int(ahead * 1e9))
    store = Store.open(f"sqlite:///{tmp_path / 'hub.db'}")
    store.write(state.batch(int(ahead * 1e9)))
    store.close()
    again = hub()

    until(lambda: _results(again) == 36, lambda: f"history; {_results(again)}")


def test_broker_that_goes_away_is_told_and_the_hub_comes_back(place, hub):
    """What was seen stays on the page; readiness says no meanwhile."""
    place.start("d1")
    seen = hub()
    until(lambda: seen.device("d1") and seen.device("d1")["presence"] == "online", "the device")
    place.broker.stop()
    until(lambda: seen.status_of("readyz") == 503, "not ready")
    without = until(
        lambda: (
            (s := seen.get("site"))
            and not s["hub"]["connected"]
            and s["hub"]["broker_problem"]
            and s
        ),
        "no broker, and why",
    )
    place.broker.start()
    until(lambda: seen.status_of("readyz") == 200, "ready again")
    until(lambda: seen.device("d1")["presence"] == "online", "the device again")

    assert without["hub"]["broker_problem"]
    assert without["devices_known"] == 1
    assert seen.status_of("healthz") == 200


def test_watched_device_sends_every_second(place, hub):
    """While somebody looks; so silence is seen at once."""
    place.start("d1")
    seen = hub()
    until(lambda: seen.device("d1"), "the device")

    def interval():
        seen.status_of("devices/d1")
        return (seen.device("d1")["telemetry_interval_seconds"] or 9.0) < 2.0

    until(interval, "telemetry every second")
    told = until(
        lambda: (m := seen.get("devices/d1/telemetry?seconds=60")["messages"])[1:] and m, "two"
    )

    assert {one["message"]["device"] for one in told} == {"d1"}
    assert told == sorted(told, key=lambda one: one["received_unix_ns"])


def test_stranger_cannot_break_it(place, hub):
    """Whatever comes on the site's topics is counted, and shown as what it is: nothing."""
    place.start("d1")
    seen = hub()
    until(lambda: seen.device("d1"), "the device")
    hostile = [b"", b"\xff\xfe", b"[" * 5000, b'{"state":"online"}', b"x" * 60_000]
    for kind in ("info", "reported", "status"):
        for payload in hostile[1:]:
            place.ear.say(place.topics.device(kind, "zz"), payload, qos=1)
    for payload in hostile:
        place.ear.say(place.topics.topic("acct", pipeline="p", client="c"), payload)
        place.ear.say(place.topics.topic("route", pipeline="q"), payload, qos=1)
        place.ear.say(place.topics.topic("tele", device="d1", kind="health"), payload)
    name = "<script>alert(1)</script>"
    told = messages.encode("status", Status(state="online", session=1, boot=name))
    place.ear.say(place.topics.device("status", "strange"), told, qos=1)
    until(lambda: seen.device("strange"), "what came last")

    assert sum(seen.get("hub")["refused_messages"].values()) >= 20
    assert seen.device("d1")["presence"] == "online"
    assert seen.device("zz") is None
    assert seen.end() == 0


def test_two_hubs_watch_one_site(place, tmp_path):
    """Each under a name of its own, so neither takes the other's connection."""
    place.start("d1")
    hubs = [
        HubProcess(place.broker.url, tmp_path / f"{name}.db", "--name", name)
        for name in ("one", "other")
    ]
    for hub in hubs:
        until(lambda hub=hub: hub.device("d1"), "the device")
    time.sleep(3.0)  # so long a fight for one name would not stay hidden
    ready = [hub.status_of("readyz") for hub in hubs]

    assert [hub.end() for hub in hubs] == [0, 0]
    assert ready == [200, 200]


def test_two_hubs_of_one_name_are_told(place, tmp_path):
    """Whoever has lost the broker to the other says why, and what to do about it."""
    first = HubProcess(place.broker.url, tmp_path / "first.db")
    second = HubProcess(place.broker.url, tmp_path / "second.db")

    def told():
        hubs = [seen.get("site")["hub"] for seen in (first, second)]
        return [h["broker_problem"] for h in hubs if "--name" in (h["broker_problem"] or "")]

    try:
        until(told, "the word of a hub that lost its id")
    finally:
        first.end()
        second.end()
