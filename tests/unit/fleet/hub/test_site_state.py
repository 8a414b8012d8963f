"""What the hub knows of a site, and what it shows of that."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.hub.rollups import DeviceWindow, PipelineWindow
from fleet.hub.site_state import BOOK_NAMES, SiteState, book_names
from fleet.hub.store.rows import DeviceRow
from tests.unit.fleet.hub import telling
from tests.unit.fleet.hub.telling import take

T0 = 10**18


@pytest.fixture
def served():
    """A pipeline of two stages that serves, five seconds after the hub connected."""
    state = SiteState(telling.TOPICS)
    state.connected(0.0)
    for number, device in enumerate(("d1", "d2")):
        for told in (
            telling.status(device),
            telling.info(device),
            telling.reported(device, number),
            telling.health(device, readings=[("cpu_busy_ratio", 0.5)]),
        ):
            take(state, told, 5.0)
    take(state, telling.route("d1", "d2"), 5.0)
    return state


def _pipeline(state, now):
    (view,) = state.pipeline_views(now, T0)
    return view


def test_healthy_pipeline_is_shown_as_such(served):
    """Every stage with its device, and links into each and back to the client."""
    view = _pipeline(served, 6.0)

    assert (view.condition, view.state) == ("serving", "ok")
    assert [(s.device, s.state, s.runtime_actual) for s in view.stages] == [
        ("d1", "ok", "onnx_cpu"),
        ("d2", "ok", "onnx_cpu"),
    ]
    assert [(link.source, link.target) for link in view.links] == [
        ("client", "0"),
        ("0", "1"),
        ("1", "client"),
    ]


def test_rates_and_percentiles_come_from_differences(served):
    """Of growing counts: what was lost on the way is made up for by the next message."""
    for second, runs in ((5, 100), (6, 110), (8, 130)):
        take(served, telling.latency("d1", telling.stage_latency(0, runs), sent=second), second)
    for second, results in ((5.0, 3), (6.0, 13), (9.0, 43)):
        take(served, telling.account(results), second)
    view = _pipeline(served, 9.0)
    (first, _) = view.stages

    assert first.frames_per_second == pytest.approx(10.0)
    assert first.utilisation_ratio == pytest.approx(0.1)
    assert first.run_seconds_p50 == pytest.approx(0.010, rel=0.07)
    assert view.links[0].bytes_per_frame == 1000
    assert view.links[0].bits_per_second == pytest.approx(80_000)
    assert view.frames_per_second == pytest.approx(43 / 4.0)
    assert view.latency_seconds_p95 == pytest.approx(0.020, rel=0.07)


def test_replicas_are_one_stage_and_one_link():
    """Each is shown; what goes into them is added up, and one that dies stops nothing."""
    state = SiteState(telling.TOPICS)
    state.connected(0.0)
    for device, number in (("d1", 0), ("d2", 1), ("d3", 1)):
        for told in (telling.status(device), telling.reported(device, number)):
            take(state, told, 5.0)
    take(state, telling.route_over(("d1",), ("d2", "d3")), 5.0)
    for second, runs in ((5, 100), (9, 140)):
        for device in ("d2", "d3"):
            take(
                state, telling.latency(device, telling.stage_latency(1, runs), sent=second), second
            )
    both = _pipeline(state, 9.0)
    take(state, telling.status("d3", "lost", session=2), 9.0)
    one = _pipeline(state, 9.0)

    assert [(s.stage, s.device) for s in both.stages] == [(0, "d1"), (1, "d2"), (1, "d3")]
    assert [(link.source, link.target) for link in both.links] == [
        ("client", "0"),
        ("0", "1"),
        ("1", "client"),
    ]
    assert both.links[1].bits_per_second == pytest.approx(160_000)
    assert one.links[1].bits_per_second == pytest.approx(80_000)
    assert (one.condition, one.links[1].state) == ("degraded", "ok")
    assert "Nothing passes" not in (one.bottleneck.text if one.bottleneck else "")


def test_a_link_is_what_the_senders_say_that_they_use():
    """Not known until they say so; between replicas several."""
    state = SiteState(telling.TOPICS)
    state.connected(0.0)
    for device, number in (("d1", 0), ("d2", 1), ("d3", 1)):
        for told in (telling.status(device), telling.reported(device, number)):
            take(state, told, 5.0)
    take(state, telling.route_over(("d1",), ("d2", "d3")), 5.0)
    silent = _pipeline(state, 5.0)
    links = {"d2": "uds", "d3": "tcp", "of-before": "paho"}
    sender = msgspec.structs.replace(telling.stage_latency(0, 9), links=links)
    sender.counts.sent_again, sender.counts.batches = 3, 4
    take(state, telling.latency("d1", sender), 6.0)
    told = _pipeline(state, 6.0)
    take(state, telling.status("d3", "lost", session=2), 7.0)
    one = _pipeline(state, 7.0)
    take(state, telling.status("d2", "lost", session=2), 8.0)
    none = _pipeline(state, 8.0)

    assert [link.link for link in silent.links] == ["mqtt", None, "mqtt"]
    assert [link.link for link in told.links] == ["mqtt", "tcp, uds", "mqtt"]
    assert (told.stages[0].sent_again, told.stages[0].batches) == (3, 4)
    assert one.links[1].link == "uds"
    assert none.links[1].link is None


def test_how_clients_reach_the_entry_and_are_answered_is_what_they_say():
    """Of lately, and of links that there are; who says nothing goes by the broker."""
    state = SiteState(telling.TOPICS)
    state.connected(0.0)
    take(state, telling.route("d1"), 1.0)
    seen = []
    for second, links in enumerate(({}, {"d1": "uds"}, {"d1": "tcp"}, {"d1": "<b>"}), start=5):
        told = telling.account(second, links=links, links_back={"d1": "uds"} if links else {})
        take(state, told, float(second))
        seen.append([link.link for link in _pipeline(state, float(second)).links])
    after = _pipeline(state, 60.0)

    assert [there for there, _ in seen] == ["mqtt", "uds", "tcp, uds", "tcp, uds"]
    assert [back for _, back in seen] == ["mqtt", "uds", "uds", "uds"]
    assert [link.link for link in after.links] == ["mqtt", "mqtt"]


def test_where_no_broker_may_carry_frames_it_is_not_shown_that_it_does():
    """Clients that say nothing use none."""
    state = SiteState(telling.TOPICS)
    state.connected(0.0)
    topic, route = telling.route("d1")
    direct = msgspec.structs.replace(route, entry_link="direct", answers_link="auto")
    take(state, (topic, direct), 1.0)

    assert [link.link for link in _pipeline(state, 5.0).links] == ["none", "mqtt"]


def test_late_and_repeated_telemetry_changes_nothing(served):
    """However often and in whatever order it comes once more."""
    told = [
        telling.latency("d1", telling.stage_latency(0, 10 * second), sent=second)
        for second in (6, 7, 8)
    ]
    for second, message in zip((6.0, 7.0, 8.0), told, strict=True):
        take(served, message, second)
    before, kept = _pipeline(served, 8.0), served.batch(T0)
    for message in reversed(told):
        take(served, message, 8.0)

    assert _pipeline(served, 8.0) == before
    assert len([row for row in kept.raw if row.kind == "latency"]) == 3
    assert served.batch(T0).raw == []


def test_lost_device_turns_its_stage_red_with_the_reason(served):
    """At the will, at once; and green again at its next birth."""
    take(served, telling.status("d2", "lost"), 7.0, unix_ns=T0 + 7)
    view = _pipeline(served, 7.0)
    take(served, telling.status("d2", "online", session=2), 8.0)
    again = _pipeline(served, 8.0)

    assert (view.condition, view.state) == ("down", "error")
    assert view.stages[1].reason.code == "device.lost"
    assert view.stages[1].reason.since_unix_ns is not None
    assert "stage 1 on d2" in view.bottleneck.text
    assert [link.state for link in view.links] == ["ok", "error", "error"]
    assert again.state == "ok"


def test_watched_device_that_falls_silent_is_red_within_three_seconds(served):
    """Power is gone and no will came yet: broker and kernel wait for a minute."""
    device = served.devices["d1"]
    device.watched(6.0)
    for second in range(6, 20):
        take(served, telling.health("d1", sent=second), float(second))
        device.watched(float(second))

    assert _pipeline(served, 21.9).stages[0].state == "ok"
    assert _pipeline(served, 22.1).stages[0].state == "error"
    assert _pipeline(served, 22.1).stages[0].reason.code == "device.silent"


def test_device_that_was_born_again_has_forgotten_who_watches(served):
    """It is not called silent for sending every five seconds again."""
    device = served.devices["d1"]
    device.watched(6.0)
    device.watched(20.0)
    take(served, telling.status("d1", session=2), 21.0)

    assert _pipeline(served, 30.0).stages[0].state == "ok"
    assert device.watched_until < 21.0


def test_device_that_nobody_watches_may_be_silent_for_longer(served):
    """It sends every five seconds; one lost message is no alarm."""
    assert _pipeline(served, 20.0).stages[0].state == "ok"
    assert _pipeline(served, 22.0).stages[0].state == "error"


def test_since_when_is_not_made_up():
    """What a hub finds when it starts may have been so for long."""
    state = SiteState(telling.TOPICS)
    state.restore([DeviceRow("known", 1, T0 - 7)])
    take(state, telling.status("new", "offline"))
    take(state, telling.status("known", "offline"))

    assert state.device("new", 1.0, T0).since_unix_ns is None
    assert state.device("known", 1.0, T0).since_unix_ns == T0 - 7


def test_old_will_does_not_bury_a_newer_birth(served):
    """Sessions are numbered."""
    take(served, telling.status("d1", "online", session=9), 6.0)
    take(served, telling.status("d1", "lost", session=8), 6.5)

    assert served.device("d1", 6.5, T0).presence == "online"


def test_failed_stage_shows_its_own_reason(served):
    """And its device's next command leads to it."""
    take(served, telling.reported("d1", 0, phase="failed", reason="segment.refused"), 6.0)
    view, device = _pipeline(served, 6.0), served.device("d1", 6.0, T0)

    assert (view.stages[0].state, view.stages[0].reason.code) == ("error", "segment.refused")
    assert device.state == "error"
    assert device.next_step.command == "paceline status p"


def test_stage_on_less_than_was_asked_for_is_a_warning(served):
    """It answers, so nothing is down; stage, pipeline and device say why it is slower."""
    take(served, telling.reported("d1", 0, degraded="accelerator.lost"), 6.0)
    view, device = _pipeline(served, 6.0), served.device("d1", 6.0, T0)

    assert (view.condition, view.state, view.stages[0].state) == ("degraded", "warning", "warning")
    assert view.stages[0].reason.code == "accelerator.lost"
    assert view.stages[0].reason.since_unix_ns is None  # it served well for a while
    assert (device.state, device.problems[0].message) == ("warning", "p.7-0: it was pulled")


def test_stage_on_its_way_is_busy_and_no_alarm(served):
    """Loading is no fault."""
    take(served, telling.reported("d1", 0, phase="loading"), 6.0)

    assert _pipeline(served, 6.0).stages[0].state == "busy"
    assert served.device("d1", 6.0, T0).state == "ok"


def test_problems_come_first():
    """Who looks at two hundred devices sees the one that is ill."""
    state = SiteState(telling.TOPICS)
    for device, problems in (("a", ()), ("b", ("device.hot",)), ("c", ())):
        take(state, telling.status(device))
        take(state, telling.health(device, problems=problems))
    views = state.device_views(1.0, T0)

    assert [view.device for view in views] == ["b", "a", "c"]
    assert views[0].next_step.command == "paceline doctor --device b"


def test_registry_names_who_was_not_heard():
    """N of M known, and the others by name."""
    state = SiteState(telling.TOPICS)
    state.restore([DeviceRow(name, 1, 2) for name in ("d1", "d2")])
    take(state, telling.status("d2"))

    assert list(state.missing()) == ["d1"]
    assert state.device("d1", 1.0, T0).presence == "unknown"
    assert "d1" in set(state.incomplete())


def test_device_that_only_a_route_names_is_asked_for(served):
    """The broker may have kept it back."""
    take(served, telling.route("d1", "d9"), 6.0)

    assert "d9" in set(served.incomplete())
    assert _pipeline(served, 6.0).stages[1].state == "error"


def clear(state, kind, device):
    """Clear one of a device's retained topics."""
    state.take(telling.TOPICS.device(kind, device), b"", 6.0, T0)


@pytest.mark.parametrize("kinds", [("status", "info"), ("info", "reported", "status")])
def test_device_whose_status_and_info_were_cleared_is_forgotten(served, kinds):
    """In any order: it is not shown, asked for or kept any more; others are."""
    take(served, telling.latency("d2", telling.stage_latency(1, 9)), 5.5)
    for kind in kinds:
        clear(served, kind, "d2")
    take(served, telling.route("d1"), 6.0)
    batch = served.batch(T0)

    assert [view.device for view in served.device_views(6.0, T0)] == ["d1"]
    assert set(served.incomplete()) == set()
    assert (set(batch.devices), batch.forgotten) == ({"d1"}, {"d2"})
    assert {row.device for row in batch.raw} == {"d1", "d2"}  # what it sent stays until it is old
    assert [stage.device for stage in _pipeline(served, 6.0).stages] == ["d1"]


def test_device_of_the_registry_can_be_forgotten_unheard():
    """As after a restart of the hub: nothing was heard of it, and clearing is."""
    state = SiteState(telling.TOPICS)
    state.restore([DeviceRow("d1", 1, 2)])
    clear(state, "status", "d1")
    half = set(state.devices)
    clear(state, "info", "d1")

    assert (half, set(state.devices)) == ({"d1"}, set())
    assert state.batch(T0).forgotten == {"d1"}


def test_device_that_was_born_between_is_not_forgotten(served):
    """Only both together say it: one that is written again is there."""
    clear(served, "status", "d2")
    take(served, telling.status("d2", session=2), 6.0)
    clear(served, "info", "d2")

    assert served.device("d2", 6.0, T0).presence == "online"


def test_forgotten_device_that_speaks_again_is_new(served):
    """In the same second, too: the registry loses the old one and gets the new one."""
    for kind in ("status", "info"):
        clear(served, kind, "d2")
    take(served, telling.health("d2", sent=9), 9.0)
    batch = served.batch(T0)

    assert served.device("d2", 9.0, T0).presence == "online"
    assert "d2" in set(served.incomplete())
    assert "d2" in batch.forgotten
    assert batch.devices["d2"].first_seen_unix_ns == int(1e18 + 9e9)


def test_what_is_kept_can_be_taken_up_again(served):
    """Registry and accounts: as after a restart."""
    take(served, telling.account(7, in_flight=2), 9.0)
    batch = served.batch(T0)
    (book,) = [row for row in batch.rollups if row.kind == "book"]
    (names,) = [row for row in batch.rollups if (row.kind, row.key) == BOOK_NAMES]
    again = SiteState(telling.TOPICS)
    again.restore(batch.devices.values())
    for name in book_names(names.data):
        again.restore_book(name, book.data)
    take(again, telling.account(7, in_flight=2), 0.0)

    assert set(again.devices) == {"d1", "d2"}
    assert batch.devices["d1"].status is not None
    assert again.pipelines["p"].book.sums() == served.pipelines["p"].book.sums()


def test_what_came_while_the_hub_was_away_is_no_rate(served):
    """An hour's frames come with one word after a restart: they are counted, and not as of now."""
    take(served, telling.account(5), 9.0)
    (book,) = [row for row in served.batch(T0).rollups if row.kind == "book"]
    again = SiteState(telling.TOPICS)
    again.restore_book("p", book.data)
    again.connected(0.0)
    for second in range(5):
        take(again, telling.account(3600 + 10 * second), 0.5 + second)

    (view,) = again.pipeline_views(4.5, T0)
    assert view.account.results == 3640
    assert view.frames_per_second == pytest.approx(10.0)


def test_what_came_while_the_broker_was_away_is_no_rate(served):
    """Nor is the time in which nothing could be heard one of no frames."""
    take(served, telling.account(5), 6.0)
    served.disconnected()
    served.connected(600.0)
    for second in range(5):
        take(served, telling.account(3600 + 10 * second), 600.5 + second)

    assert _pipeline(served, 604.5).frames_per_second == pytest.approx(10.0)


def test_since_when_is_told_by_our_clock(served):
    """A device whose clock is a year behind, or ahead, was not wrong for a year."""
    for year in (-365, 365):
        off = year * 86_400 * 10**9
        topic, told = telling.reported("d1", 0, phase="failed", reason="worker.crashed")
        failed = msgspec.structs.replace(told.assignments[0], since_unix_ns=T0 + off)
        take(served, (topic, msgspec.structs.replace(told, assignments=(failed,))), 7.0)
        topic, health = telling.health("d1", 9, problems=["device.hot"])
        hot = msgspec.structs.replace(health.problems[0], since_unix_ns=T0 + off)
        health = msgspec.structs.replace(
            health, session=year + 1000, sent_unix_ns=T0 + off + 7 * 10**9, problems=(hot,)
        )
        take(served, (topic, health), 7.0, unix_ns=T0 + 7 * 10**9)

        stage = _pipeline(served, 8.0).stages[0]
        problem = served.device("d1", 8.0, T0 + 8 * 10**9).problems[0]
        assert (stage.since_unix_ns, stage.reason.since_unix_ns) == (T0, T0)
        assert (problem.code, problem.since_unix_ns) == ("device.hot", T0)


def test_pipelines_that_are_gone_make_room(served):
    """However many names come and go, what is deployed stays, and a new one has a place."""
    for number in range(1100):
        take(served, telling.account(1, pipeline=f"p{number}"), 6.0 + number / 1000)

    assert not served.refused
    assert len(served.pipelines) == 1024
    assert {"p", "p1099"} <= set(served.pipelines)
    assert "p0" not in served.pipelines
    served.batch(T0)


def test_names_that_are_none_make_no_pipelines(served):
    """A device may say anything."""
    take(served, telling.reported("d1", 0, pipeline="../<script>"), 7.0)
    told = telling.stage_latency(0, 1, pipeline="../<script>")
    take(served, telling.latency("d1", told), 7.0)

    assert set(served.pipelines) == {"p"}
    assert served.refused["id.malformed"] == 2
    assert _pipeline(served, 8.0).condition == "serving"


def test_silence_of_a_worker_is_no_rate(served):
    """Its frames of minutes, told at once, are not spread over them."""
    for second, runs in ((6, 10), (7, 20), (600, 3000), (601, 3010)):
        told = telling.latency("d1", telling.stage_latency(0, runs), sent=second)
        take(served, told, second)
        take(served, telling.health("d1", second), second)

    assert _pipeline(served, 601.5).stages[0].frames_per_second == pytest.approx(10.0)


def test_roll_ups_hold_what_came_in_their_ten_seconds(served):
    """A pipeline's open window is written again and again; a device's once it is closed."""
    take(served, telling.account(5), 9.0, unix_ns=T0)
    take(served, telling.health("d1", 9, readings=[("cpu_busy_ratio", 0.7)]), 9.0, unix_ns=T0)
    rows = {(r.kind, r.key): r for r in served.batch(T0).rollups}
    closed = {(r.kind, r.key): r for r in served.batch(T0 + 11 * 10**9).rollups}

    assert PipelineWindow.decoded(rows["pipeline", "p"].data).results == 5
    assert ("device", "d1") not in rows
    assert DeviceWindow.decoded(closed["device", "d1"].data).means() == {
        "cpu_busy_ratio": pytest.approx(0.6)
    }


def test_telemetry_under_anothers_name_is_refused(served):
    """A device speaks for itself alone."""
    topic, told = telling.health("d1", sent=99)
    before = served.device("d2", 6.0, T0)
    served.take(topic.replace("d1", "d2"), msgspec.json.encode(told), 6.0, T0)

    assert served.device("d2", 6.0, T0) == before
    assert served.refused.total() == 1


TOPIC_NAMES = [
    telling.status("d1")[0],
    telling.info("d1")[0],
    telling.reported("d1")[0],
    telling.health("d1")[0],
    telling.latency("d1")[0],
    telling.route("d1")[0],
    telling.account(1)[0],
    "paceline/v1/default/d/../status",
    "paceline/v1/other/d/d1/status",
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(
    st.sampled_from(TOPIC_NAMES), st.binary(max_size=60) | VALUES.map(lambda v: repr(v).encode())
)
def test_whatever_comes_raises_nothing(topic, payload):
    """What is not understood is counted, and the hub goes on."""
    state = SiteState(telling.TOPICS)
    state.take(topic, payload, 1.0, T0)

    state.device_views(1.0, T0)
    state.pipeline_views(1.0, T0)
    state.batch(T0)


@given(st.data())
def test_messages_with_hostile_values_raise_nothing(data):
    """Well-formed messages whose numbers and words are not what anyone would say."""
    made = data.draw(
        st.sampled_from(
            [
                telling.status("d1"),
                telling.reported("d1", 0),
                telling.health("d1", readings=[("thermal_celsius", 1.0, {"zone": "a"})]),
                telling.latency("d1", telling.stage_latency(0, 3)),
                telling.route("d1"),
                telling.account(3, timings=({"stage": 0},), frame=telling.client_times()),
            ]
        )
    )
    plain = msgspec.to_builtins(made[1])
    name = data.draw(st.sampled_from(sorted(plain)))
    plain[name] = data.draw(VALUES)
    state = SiteState(telling.TOPICS)
    for told in (telling.route("d1"), telling.reported("d1", 0), telling.health("d1")):
        take(state, told)
    try:
        payload = msgspec.json.encode(plain)
    except (ValueError, OverflowError, msgspec.MsgspecError):
        return  # JSON cannot say it

    state.take(made[0], payload, 1.0, T0)
    state.device_views(1.0, T0)
    state.pipeline_views(1.0, T0)
    state.batch(T0)
