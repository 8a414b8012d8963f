"""``paceline bench`` on real links and real pipelines; the figures are looked at, never judged."""

import json
import os
import signal
import subprocess
import sys

import pytest

from paceline import cli
from tests.system.place import PATIENCE_SECONDS, until
from wire import messages
from wire.messages import Account

HOP = ("--bytes", "70000", "--frames", "8", "--json")


def hop(*arguments):
    """Run ``paceline bench hop`` in this process."""
    return cli.run(["bench", "hop", *arguments, *HOP])


def positive(figures):
    """Return the numbers in nested figures that are not above zero."""
    if isinstance(figures, dict | list):
        values = figures.values() if isinstance(figures, dict) else figures
        return [number for value in values for number in positive(value)]
    return [figures] if isinstance(figures, int | float) and figures <= 0 else []


@pytest.mark.parametrize("link", ["mqtt", "paho"])
def test_a_hop_over_a_broker_of_its_own(capsys, link):
    """One link's figures stand at the top, with the broker's processor time."""
    assert hop("--link", link) == 0

    found = json.loads(capsys.readouterr().out)
    assert found["link"] == link
    assert found["broker"].startswith(("mosquitto", "rumqttd"))
    for key in ("latency_seconds", "cpu_seconds", "frames_per_second", "bytes_per_second"):
        assert positive(found[key]) == []
    assert set(found["latency_seconds"]) >= {"p50", "p95"}
    assert all(found["cpu_seconds"][end] > 0 for end in ("sender", "receiver", "broker"))


def test_several_links_in_turn(capsys):
    """Each has its figures, and what it is beside the first; direct ones have no broker."""
    assert hop("--link", "uds,tcp,mqtt") == 0

    found = json.loads(capsys.readouterr().out)
    brokers = {link["link"]: link["cpu_seconds"]["broker"] for link in found["links"]}
    assert list(brokers) == ["uds", "tcp", "mqtt"]
    assert brokers["uds"] is None
    assert brokers["tcp"] is None
    assert brokers["mqtt"] > 0
    assert set(found["ratios"]) == {"tcp", "mqtt"}
    assert positive(found["ratios"]) == []


@pytest.mark.parametrize("link", ["auto", "memory", "smoke"])
def test_what_is_no_link_between_two_processes_is_refused(capsys, link):
    """Before anything is started."""
    assert hop("--link", link) in {2, 3}

    assert "link" in json.loads(capsys.readouterr().out)["error"]["message"]


def test_a_hop_over_a_given_broker_in_chunks(broker, capsys):
    """What another's broker spends is not known; frames travel in packets as small as asked."""
    assert hop("--link", "paho", "--broker", broker.url, "--max-packet-bytes", "20000") == 0

    found = json.loads(capsys.readouterr().out)
    assert found["broker"] == broker.url
    assert found["cpu_seconds"]["broker"] is None
    assert found["latency_seconds"]["p50"] > 0


def test_a_hop_over_a_broker_that_is_not_there(capsys):
    """It says what the end that failed said, and leaves no process."""
    assert hop("--link", "paho", "--broker", "mqtt://127.0.0.1:1") == 6

    found = json.loads(capsys.readouterr().out)
    assert found["error"]["code"] == "bench.end_failed"
    assert "127.0.0.1:1" in found["error"]["message"]


@pytest.fixture
def pipeline(place, chain):
    """The name of a pipeline of three stages that serve."""
    place.start("d1", "d2", "d3")
    for device in ("d1", "d2", "d3"):
        until(lambda device=device: place.ear.last("info", device), f"info of {device}")
    place.deploy(chain.folder, "d1", "d2", "d3")
    return "p"


def test_a_pipeline_under_load(command, pipeline, tmp_path):
    """Percentiles, where the time goes, what limits it and which window to use; a picture."""
    picture = tmp_path / "p.svg"
    arguments = ("bench", "pipeline", pipeline, "--concurrency", "1,3", "--seconds", 1.5)

    code, found = command(*arguments, "--svg", picture)

    assert code == 0
    assert [level["concurrency"] for level in found["levels"]] == [1, 3]
    for level in found["levels"]:
        latency = level["latency_seconds"]
        assert 0 < latency["p50"] <= latency["p90"] <= latency["p95"] <= latency["p99"]
        assert level["frames_per_second"] > 0
        assert [stage["stage"] for stage in level["stages"]] == [0, 1, 2]
        assert sum(part["seconds"] for part in level["parts"]) == pytest.approx(latency["mean"])
    assert found["recommended_window"] in {1, 3}
    assert found["bottleneck"]["text"]
    assert found["failed"] == {}
    assert picture.read_text().startswith("<?xml")


def test_interrupted_it_tells_what_was_measured(place, pipeline):
    """Ctrl-C ends it with the levels that were finished."""
    streams = set()

    def hear(_topic, payload):
        streams.add(messages.decode("acct", payload, Account).stream)

    place.ear.session.subscribe(place.topics.filter("acct", pipeline=pipeline), 0, hear)
    arguments = ["bench", "pipeline", pipeline, "--concurrency", "1:1000", "--seconds", "0.5"]
    with subprocess.Popen(
        [sys.executable, "-m", "paceline", *arguments, "--broker", place.broker.url, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "HOME": str(place.folder)},
    ) as child:
        until(lambda: len(streams) > 1, "the account of a second level's stream")
        child.send_signal(signal.SIGINT)
        found = json.loads(child.communicate(timeout=PATIENCE_SECONDS)[0])

    assert child.returncode == 130
    assert found["ended_by"] == "interrupted"
    assert found["levels"][0]["concurrency"] == 1
