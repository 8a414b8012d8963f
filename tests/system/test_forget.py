"""``paceline forget``: nothing is left of a device that is gone, and nothing else is touched."""

import threading
from functools import partial

import pytest
import structlog

from fleet.control import forget_plan
from fleet.control.observe import Observer
from fleet.hub.store.store import Store
from tests.system.front_door import FrontDoor
from tests.system.hub_process import HubProcess
from tests.system.place import PATIENCE_SECONDS, until
from tests.system.test_doctor_broker import Mosquitto
from wire import broker_url, messages
from wire.access import Access
from wire.messages import Info, Reported, Status
from wire.session import Session
from wire.topics import Site


@pytest.fixture
def deployed(place, command, whole):
    """A site whose d1 serves pipeline p, deployed by the command line."""
    place.start("d1")
    until(lambda: place.ear.last("info", "d1"), "info of d1")
    assert command("deploy", whole.folder, "--to", "d1", "--serve", place.artifacts)[0] == 0
    place.await_phase("d1", "serving")
    return place


def say_of(device, topics, say):
    """Say what an agent that was stopped left behind."""
    told = {
        "status": Status(state="offline", session=1, boot="b"),
        "info": Info(device=device, version="1", runtimes=()),
        "reported": Reported(device=device, session=1, observed=(0, 0), applied=(0, 0)),
    }
    for kind, message in told.items():
        say(topics.device(kind, device), messages.encode(kind, message), qos=1, retain=True)


def retained(place, *devices):
    """Return which topics of each device a client that comes now is given."""
    end, came = "retained/end", threading.Event()
    with place._session() as session, Observer(session, place.topics) as seen:
        seen.watch_devices(devices)
        session.subscribe(end, 1, lambda *_: came.set())
        session.publish(end, b"", 1, confirm_seconds=PATIENCE_SECONDS)
        assert came.wait(PATIENCE_SECONDS)  # what was retained comes before
        seen.wait(lambda: None, 0.5)
        return [forget_plan.kept(seen.device(device)) for device in devices]


@pytest.mark.on_each_broker
def test_a_broker_keeps_nothing_of_those_alone(place, command):
    """Twice is harmless, and a name that nobody ever had is no error."""
    for device in ("d1", "d2", "d3"):
        say_of(device, place.topics, place.ear.say)
    code, gone = command("forget", "d1", "d3", "d1")
    again = command("forget", "d1", "d9")

    kept = ["reported", "info", "status"]
    assert code == 0
    assert [(d["device"], d["presence"], d["kept"]) for d in gone["devices"]] == [
        ("d1", "offline", kept),
        ("d3", "offline", kept),
    ]
    assert (again[0], [d["kept"] for d in again[1]["devices"]]) == (0, [[], []])
    assert retained(place, "d1", "d2", "d3") == [(), tuple(kept), ()]


def test_a_device_in_use_is_refused_and_one_that_is_gone_is_forgotten(deployed, command):
    """First its agent is stopped and its pipeline undeployed."""
    online = command("forget", "d1")
    deployed.agents["d1"].stop(PATIENCE_SECONDS)
    stopped = command("forget", "d1")
    dry = command("forget", "d1", "--force", "--dry-run")
    before = retained(deployed, "d1")
    assert command("undeploy", "p")[0] == 0
    code, gone = command("forget", "d1")

    use = "is ordered to run p and stands in the route of p; stop its agent"
    for found, why in ((online, f"is online and {use}"), (stopped, use)):
        assert (found[0], found[1]["error"]["code"]) == (8, "forget.refused")
        assert f"device d1: {why}" in found[1]["error"]["message"]
    assert dry[0] == 0
    assert dry[1]["deployments"] == [{"pipeline": "p", "devices": []}]
    assert before == [forget_plan.RETAINED]
    kept = list(forget_plan.RETAINED)
    assert (code, gone["devices"]) == (
        0,
        [{"device": "d1", "presence": "offline", "kept": kept, "ordered": [], "routed": []}],
    )
    assert retained(deployed, "d1") == [()]
    assert command("status")[1]["pipelines"] == []


def test_an_agent_that_is_alive_goes_on_and_is_there_again(deployed, command, whole):
    """Forced: an empty payload is no order, so its worker serves on; the list has it no more."""
    pid = deployed.assignment("d1").pid
    session = deployed.status("d1").session
    code, gone = command("forget", "d1", "--force")
    answers = deployed.site.pipeline("p", timeout_seconds=PATIENCE_SECONDS).run(whole.inputs(1))
    listed = command("status")[1]["pipelines"]
    (stage,) = command("status", "p")[1]["pipelines"][0]["stages"]
    deployed.broker.restart()
    until(lambda: (s := deployed.status("d1")) and s.session > session, "d1 on the new broker")
    until(lambda: deployed.ear.last("info", "d1"), "its info")

    assert (code, gone["devices"][0]["routed"]) == (0, ["p"])
    assert gone["deployments"] == [{"pipeline": "p", "devices": []}]
    assert listed == []
    assert (stage["device_state"], stage["phase"]) == ("unknown", "missing")
    assert whole.right(1, answers)
    assert until(lambda: deployed.assignment("d1"), "its report").pid == pid


def test_a_hub_drops_it_until_it_is_alive_after_all(place, command, tmp_path):
    """From what it shows, and from the registry that it starts with."""
    pytest.importorskip("litestar")
    place.start("d1")
    say_of("d2", place.topics, place.ear.say)
    hub = HubProcess(place.broker.url, tmp_path / "hub.db")
    try:
        until(lambda: hub.device("d2") and hub.device("d1"), "both")
        place.agents["d1"].stop(PATIENCE_SECONDS)
        assert command("forget", "d1", "d2")[0] == 0
        until(lambda: hub.get("site")["devices_known"] == 0, "the hub's dropping both")
        place.start("d1")
        until(lambda: (hub.device("d1") or {}).get("presence") == "online", "d1 again")
    finally:
        hub.end()
    store = Store.open(f"sqlite:///{tmp_path / 'hub.db'}")
    registry = [row.device for row in store.devices()]
    store.close()

    assert registry == ["d1"]


ALLOWED = """\
topic read paceline/v1/default/#
topic write paceline/v1/default/d/+/cmd
topic write paceline/v1/default/d/+/desired
topic write paceline/v1/default/d/+/reported
topic write paceline/v1/default/d/+/status
user d1
topic readwrite paceline/v1/default/d/d1/#
"""


def test_a_user_who_may_not_write_a_topic_is_told(tmp_path, capsys, monkeypatch):
    """A mosquitto acknowledges what its ACL drops: so what was cleared is looked at."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    acl, topics = {"acl": ALLOWED}, Site()
    lines = ("allow_anonymous true", f"acl_file {tmp_path}/acl")
    with Mosquitto(tmp_path, *lines, files=acl) as running:
        device = Session(broker_url.parse(running.url), "d1", access=Access(username="d1"))
        device.start()
        device.wait_up(PATIENCE_SECONDS)
        say_of("d1", topics, partial(device.publish, confirm_seconds=PATIENCE_SECONDS))
        device.stop()
        code, answer = FrontDoor(running.url, capsys)("forget", "d1")
    structlog.reset_defaults()

    assert (code, answer["error"]["code"]) == (8, "forget.not_cleared")
    assert "device d1: the broker keeps info; let your user write" in answer["error"]["message"]
