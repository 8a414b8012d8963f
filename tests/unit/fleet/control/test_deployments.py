"""The user's list of deployments."""

import threading

import msgspec
import pytest

from fleet.control import deployments
from fleet.control.deploy_errors import DeploymentsFileError
from fleet.control.deployments import Entry
from wire.messages import Route, RouteStage


def entry(pipeline="p", generation=1, broker="mqtt://b:1883"):
    """Return an entry of one site."""
    return Entry(
        broker=broker,
        root="paceline",
        site="default",
        pipeline=pipeline,
        generation=generation,
        devices=("a", "b"),
        folder="/parts",
        deployed_unix_ns=1,
    )


def test_what_was_added_is_read_in_order(tmp_path):
    """The folder is made when it is needed."""
    folder = tmp_path / "state" / "paceline"
    deployments.add(folder, entry("p"))
    deployments.add(folder, entry("q"))

    assert deployments.read(folder) == (entry("p"), entry("q"))


def test_deploying_again_replaces_the_entry_of_the_same_place_alone(tmp_path):
    """One pipeline of one site stands in the list once."""
    for item in (entry("p"), entry("p", broker="mqtt://c:1883"), entry("p", 2)):
        deployments.add(tmp_path, item)

    assert deployments.read(tmp_path) == (entry("p", broker="mqtt://c:1883"), entry("p", 2))


def test_undeploying_removes_the_entry(tmp_path):
    """Removing what is not there changes nothing."""
    deployments.add(tmp_path, entry("p"))
    deployments.remove(tmp_path, entry("q").place)
    deployments.remove(tmp_path, entry("p").place)

    assert deployments.read(tmp_path) == ()


def routed(*replicas):
    """Return an entry with a route over the replicas of each stage."""
    stages = tuple(
        RouteStage(stage=number, device=device, segment=f"s{number}", runtime="onnx_cpu")
        for number, devices in enumerate(replicas)
        for device in devices
    )
    made = Route(
        pipeline="p", generation=1, epoch=1, manifest="0" * 64, stages=stages, receives=(),
        outputs=(),
    )  # fmt: skip
    return msgspec.structs.replace(
        entry(), devices=tuple(stage.device for stage in stages), route=made
    )


def test_a_forgotten_device_leaves_the_entries_of_its_site_alone(tmp_path):
    """With a replica the pipeline stays; without, its entry goes; other sites have their own."""
    replicas = routed("a", "bc")
    others = (
        entry("q", broker="mqtt://c:1883"),
        msgspec.structs.replace(entry("r"), devices=("z",)),
    )
    for item in (replicas, *others):
        deployments.add(tmp_path, item)
    deployments.forget(tmp_path, entry().place[:3], {"b", "nobody"})
    stays = deployments.read(tmp_path)
    deployments.forget(tmp_path, entry().place[:3], {"c"})

    assert stays == (routed("a", "c"), *others)
    assert deployments.read(tmp_path) == others


def test_an_entry_without_a_route_goes_with_any_of_its_devices():
    """An earlier version kept none: nobody knows which devices stand for each other."""
    assert entry().without({"a"}) is None
    assert entry().without({"c"}) == entry()


def test_nothing_deployed_yet_is_an_empty_list(tmp_path):
    """Reading makes nothing."""
    assert deployments.read(tmp_path / "none") == ()
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("text", "problem"),
    [("{", "understood"), ('{"deployments": 3}', "understood"), ('{"schema": 2}', "schema 2")],
)
def test_a_list_that_cannot_be_understood_is_said_and_kept(tmp_path, text, problem):
    """Somebody may want to repair it: it is not written over."""
    path = tmp_path / deployments.FILE_NAME
    path.write_text(text)

    with pytest.raises(DeploymentsFileError, match=problem):
        deployments.add(tmp_path, entry())
    assert path.read_text() == text


def test_a_list_of_an_earlier_version_is_read(tmp_path):
    """It knew no routes; the entries are there all the same."""
    plain = msgspec.to_builtins(entry())
    del plain["route"]
    path = tmp_path / deployments.FILE_NAME
    path.write_bytes(msgspec.json.encode({"schema": 1, "deployments": [plain]}))

    assert deployments.read(tmp_path) == (entry(),)


def test_commands_at_the_same_time_lose_no_entry(tmp_path):
    """The lock makes them one after the other."""
    threads = [
        threading.Thread(target=deployments.add, args=(tmp_path, entry(f"p{n}"))) for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {e.pipeline for e in deployments.read(tmp_path)} == {f"p{n}" for n in range(8)}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"HOME": "/home/u"}, "/home/u/.local/state/paceline"),
        ({"HOME": "/home/u", "XDG_STATE_HOME": "/s"}, "/s/paceline"),
    ],
)
def test_the_list_is_where_the_desktop_keeps_state(environ, expected):
    """XDG_STATE_HOME counts where it is set."""
    assert str(deployments.default_folder(environ)) == expected
