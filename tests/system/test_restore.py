"""``paceline restore``: after a broker lost its memory, everything is there as it was."""

import json

import numpy as np
import pytest

import paceline
from fleet.control import deployments
from fleet.control.observe import Observer
from tests.system.place import PATIENCE_SECONDS, until
from wire import messages

DEVICES = ("d1", "d2")


@pytest.fixture
def deployed(place, command, slow_chain):
    """A site that serves pipeline p, deployed by the command line."""
    place.start(*DEVICES)
    for device in DEVICES:
        until(lambda device=device: place.ear.last("info", device), f"info of {device}")
    code, made = command(
        "deploy", slow_chain.folder, "--to", ",".join(DEVICES), "--serve", place.artifacts
    )
    assert (code, made["pipeline"]) == (0, "p")
    for device in DEVICES:
        place.await_phase(device, "serving")
    return place


@pytest.fixture
def retained(place):
    """Return a function that gives what the broker holds: desired states and route, as bytes."""

    def retained(*present):
        with place._session() as session, Observer(session, place.topics) as seen:
            seen.watch_route("p")
            seen.watch_devices(DEVICES)
            seen.wait(lambda: all(seen.device(d).online for d in DEVICES), PATIENCE_SECONDS)
            seen.ping(DEVICES, PATIENCE_SECONDS)
            route = seen.route("p")
            return [seen.device(d).desired for d in DEVICES], route and messages.encode(
                "route", route
            )

    return retained


def outcomes(answer):
    """Return what became of each device's orders and of each route."""
    orders = {found["device"]: found["orders"] for found in answer["devices"]}
    return orders, {found["pipeline"]: found["route"] for found in answer["pipelines"]}


@pytest.mark.on_each_broker
def test_what_the_broker_lost_comes_back_byte_by_byte(deployed, command, retained, slow_chain):
    """Orders from the devices, the route from the list; a new client runs a frame; then nothing."""
    before = retained()
    pids = [deployed.assignment(device).pid for device in DEVICES]
    nothing = command("restore", "p")
    deployed.broker.restart()
    lost = retained()
    code, answer = command("restore")
    with paceline.connect(deployed.broker.url) as site:
        given = site.pipeline("p", timeout_seconds=PATIENCE_SECONDS).run(slow_chain.inputs(2))
    again = command("restore", "p")

    present = dict.fromkeys(DEVICES, "present")
    assert (nothing[0], outcomes(nothing[1])) == (0, (present, {"p": "present"}))
    assert lost == ([None, None], None)
    assert code == 0
    assert outcomes(answer) == (dict.fromkeys(DEVICES, "restored"), {"p": "restored"})
    assert retained() == before
    assert slow_chain.right(2, given)
    assert (again[0], outcomes(again[1])) == (0, (present, {"p": "present"}))
    assert [deployed.assignment(device).pid for device in DEVICES] == pids


def test_status_and_run_say_how_to_bring_it_back(deployed, command, slow_chain, tmp_path, capsys):
    """Whoever meets a lost route is told the command; after it, both work."""
    given = tmp_path / "x.npz"
    np.savez(given, **slow_chain.inputs(0))
    run = ("run", "p", "--input", given, "--output", tmp_path / "y.npz")
    deployed.restart_broker()
    code, status = command("status", "p")
    noted = command.stderr
    failed = command(*run)
    restored = command("restore", "p")
    after = command("status", "p")

    assert (code, status["pipelines"][0]["state"]) == (6, "not_deployed")
    assert "`paceline restore p`" in noted
    assert (failed[0], failed[1]["error"]["code"]) == (6, "pipeline.unknown")
    assert "`paceline restore" in failed[1]["error"]["message"]
    assert restored[0] == 0
    assert after[1]["pipelines"][0]["state"] == "serving"
    assert "restore" not in command.stderr
    assert command(*run)[0] == 0


def test_a_device_that_is_not_there_is_named_and_comes_back_later(deployed, command):
    """What can be brought back is; the rest when its agent is there again."""
    deployed.agents["d2"].stop()
    deployed.broker.restart()
    code, answer = command("restore", "--timeout", 8)
    deployed.start("d2")
    later = command("restore", "--timeout", 60)

    reasons = {f["device"]: (f["reason"] or {}).get("code") for f in answer["devices"]}
    assert (code, reasons) == (6, {"d1": None, "d2": "device.absent"})
    assert outcomes(answer) == ({"d1": "restored", "d2": "not_restored"}, {"p": "not_restored"})
    assert answer["pipelines"][0]["reason"]["code"] == "route.not_served"
    assert "stage 1 on d2 is unknown" in answer["pipelines"][0]["reason"]["message"]
    assert (later[0], outcomes(later[1])) == (
        0,
        ({"d1": "present", "d2": "restored"}, {"p": "restored"}),
    )


def test_orders_that_are_not_ours_do_not_come_back_by_us(deployed, command, tmp_path):
    """Another user's key: exit 8; with the right one named by --trust, they do."""
    deployed.broker.restart()
    stranger = tmp_path / "stranger.key"
    refused = command("restore", "--key", stranger)
    trusted = command("restore", "--key", stranger, "--trust", deployed.public)

    assert refused[0] == 8
    assert {f["reason"]["code"] for f in refused[1]["devices"]} == {"orders.unproved"}
    assert outcomes(trusted[1])[0] == dict.fromkeys(DEVICES, "restored")
    assert trusted[0] == 0


def test_a_broker_that_came_back_with_old_state_gets_the_newest(
    deployed, command, retained, slow_chain
):
    """As after a power cut of a broker that saves every half hour: nothing goes back."""
    old_orders, old_route = retained()
    command("deploy", slow_chain.folder, "--to", ",".join(DEVICES), "--serve", deployed.artifacts)
    new = retained()
    for device, payload in zip(DEVICES, old_orders, strict=True):
        deployed.order(device, payload)
    deployed.ear.say(deployed.topics.topic("route", pipeline="p"), old_route, qos=1, retain=True)
    code, answer = command("restore")

    assert new != (old_orders, old_route)
    assert code == 0
    assert outcomes(answer) == (dict.fromkeys(DEVICES, "restored"), {"p": "restored"})
    assert retained() == new


def test_a_pipeline_that_this_user_did_not_deploy_is_refused(place, command):
    """Its route is not known here; no devices are asked."""
    code, answer = command("restore", "ghost")

    assert (code, answer["error"]["code"]) == (6, "restore.not_remembered")
    assert command("restore") == (
        0,
        {
            "broker": place.broker.url,
            "root": "paceline",
            "site": "default",
            "devices": [],
            "pipelines": [],
        },
    )


def test_an_entry_of_an_earlier_version_says_how_to_deploy_again(deployed, command, tmp_path):
    """It kept no route; the orders come back all the same."""
    path = deployments.default_folder({"HOME": str(tmp_path)}) / deployments.FILE_NAME
    listed = json.loads(path.read_text())
    for entry in listed["deployments"]:
        del entry["route"]
    path.write_text(json.dumps(listed))
    deployed.broker.restart()
    code, answer = command("restore")

    assert (code, outcomes(answer)) == (
        6,
        (dict.fromkeys(DEVICES, "restored"), {"p": "not_restored"}),
    )
    assert "paceline deploy" in answer["pipelines"][0]["reason"]["message"]
    assert "--to d1,d2 --name p" in answer["pipelines"][0]["reason"]["message"]
