"""Another client, or another agent, with a device's id: an alarm, no flapping, nothing lost."""

import json

import pytest

from tests.system.place import alive, until
from wire import broker_url
from wire.session import Events, Session


def test_a_client_that_takes_the_id(place, whole):
    """The agent says so, leaves the other alone for a while, and what it serves goes on."""
    place.start("d1")
    place.deploy(whole.folder, "d1")
    worker = place.assignment("d1").pid
    thrown_off = []
    events = Events(taken_over=lambda: thrown_off.append(1))
    url = broker_url.parse(f"{place.broker.url}?protocol=5")
    intruder = Session(url, "d1", events=events)

    intruder.start()
    until(lambda: place.log("d1", "session.contested"), "the alarm")
    assert whole.right(0, place.site.pipeline("p").run(whole.inputs(0)))
    intruder.stop()

    until(lambda: "control.taken_over" in place.problems("d1"), "the problem in the health")
    until(lambda: place.status("d1").state == "online", "the agent, back by itself")
    assert len(thrown_off) <= 1
    assert len(place.log("d1", "broker.connected")) <= 6  # three broke before it was noticed
    assert place.assignment("d1").pid == worker
    assert alive(worker)


@pytest.mark.parametrize("dialect", ["5", "3.1.1"])
def test_two_agents_with_one_id(place, dialect):
    """Both say so, in log and health, and take turns slowly; each keeps its own state."""
    url = place.broker.urls[dialect]
    place.start("d1", broker={"url": url})
    first = place.agents["d1"]
    until(lambda: place.log("d1", "broker.connected"), "the first")
    twin = {"device": "d1", "state_folder": str(place.folder / "twin"), "broker": {"url": url}}
    place.start("twin", **twin)

    for name in ("d1", "twin"):
        until(lambda name=name: place.log(name, "session.contested"), f"the alarm of {name}", 60)

    connected = [len(place.log(name, "broker.connected")) for name in ("d1", "twin")]
    assert max(connected) <= 5
    assert [agent.poll() for agent in (first, place.agents["twin"])] == [None, None]
    for name in ("d1", "twin"):
        kept = json.loads((place.folder / name / "journal.json").read_text())
        assert (kept["start_counter"], kept["epoch"]) == (1, 0)
        assert "Traceback" not in (place.folder / f"{name}.log").read_text()
