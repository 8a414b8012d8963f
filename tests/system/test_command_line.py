"""The command line against real agents."""

import json
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from paceline import cli
from tests.system.feeding import ended
from tests.system.place import PATIENCE_SECONDS, until
from wire import messages
from wire.messages import Account

DEVICES = ("d1", "d2", "d3")


def test_from_a_model_to_answers_and_back_to_nothing(command, place, chain, tmp_path):
    """split, verify, deploy, status, run, undeploy: what a first evening looks like."""
    place.start(*DEVICES)
    for device in DEVICES:
        until(lambda device=device: place.ear.last("info", device), f"info of {device}")
    parts, given, taken = tmp_path / "parts", tmp_path / "x.npz", tmp_path / "y.npz"
    np.savez(given, **chain.inputs(0))
    run = ("run", "first", "--input", given, "--output", taken, "--count", 5)
    deploy = ("deploy", parts, "--to", ",".join(DEVICES), "--serve", place.artifacts)

    assert command("split", chain.model, "--stages", 3, "--out", parts, "--name", "first")[0] == 0
    assert command("verify", parts)[1]["bit_equal"] is True
    code, deployed = command(*deploy)
    assert code == 0, deployed
    assert [s["device"] for s in deployed["stages"]] == list(DEVICES)
    code, status = command("status")
    assert (code, [p["state"] for p in status["pipelines"]]) == (0, ["serving"])
    assert status["pipelines"][0]["edges"][1] == {"edge": "0", "link": "mqtt", "codec": "raw"}
    code, summary = command(*run)
    assert (code, summary["account"]["results"], summary["account"]["lost"]) == (0, 5, 0)
    with np.load(taken) as answer:
        assert chain.right(0, answer)
    code, summary = command("run", "first", "--input", given, "--count", 2)
    assert (code, summary["account"]["results"], summary["output"]) == (0, 2, None)
    assert command("undeploy", "first")[0] == 0
    assert command("status")[1]["pipelines"] == []
    assert command("undeploy", "first")[1]["error"]["code"] == "deploy.not_deployed"
    assert command(*run)[1]["error"]["code"] == "pipeline.unknown"


def test_a_pipeline_that_nobody_deployed_is_unknown(command):
    """Told from a broker that is not there."""
    code, answer = command("status", "ghost")

    assert (code, answer["error"]["code"]) == (6, "pipeline.unknown")


@pytest.mark.parametrize("as_json", [True, False])
def test_running_what_nobody_deployed(command, place, tmp_path, capsys, as_json):
    """It says what it waits for, and in the end what to do; stdout stays one JSON object."""
    options = ["--json"] if as_json else []
    arguments = ["run", "ghost", "--input", "x.npz", "--output", str(tmp_path / "y.npz")]

    code = cli.run([*arguments, "--broker", place.broker.url, *options])
    out, err = capsys.readouterr()
    waiting, error = err.splitlines()

    assert code == 6
    assert waiting == f"waiting for the route of pipeline ghost on {place.broker.url}"
    for advice in ("`paceline status`", "`paceline deploy DIR", "`paceline restore`"):
        assert advice in error
    assert [json.loads(line)["error"]["code"] for line in out.splitlines()] == (
        ["pipeline.unknown"] if as_json else []
    )


def heard_results(place, pipeline, count):
    """Return an event that is set when some client's account shows so many results."""
    heard = threading.Event()

    def hear(_topic, payload):
        if messages.decode("acct", payload, Account).results >= count:
            heard.set()

    place.ear.session.subscribe(place.topics.filter("acct", pipeline=pipeline), 0, hear)
    return heard


def test_interrupted_while_it_runs(place, chain, tmp_path):
    """Without a terminal, too: the account, the first result, and exit code 130."""
    place.start("d1")
    place.deploy(chain.folder, "d1", "d1", "d1")
    given, taken = tmp_path / "x.npz", tmp_path / "y.npz"
    np.savez(given, **chain.inputs(0))
    running = heard_results(place, "p", 20)
    files = ("--input", given, "--output", taken, "--count", 10**6)
    command = [sys.executable, "-m", "paceline", "run", "p", *map(str, files)]
    with subprocess.Popen(
        [*command, "--broker", place.broker.url], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "HOME": str(tmp_path)},
    ) as run:  # fmt: skip
        until(running.is_set, "results")
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=PATIENCE_SECONDS)

    assert (run.returncode, err) == (130, "interrupted\n")
    assert "in flight; lost: 0" in out
    assert f"The first result is in {taken}" in " ".join(out.split())
    with np.load(taken) as answer:
        assert chain.right(0, answer)


def test_undeployed_while_it_runs(command, place, chain, tmp_path, capsys):
    """The account of all that was submitted, the first result, the reason, and exit code 6."""
    place.start(*DEVICES)
    place.deploy(chain.folder, *DEVICES)
    given, taken = tmp_path / "x.npz", tmp_path / "y.npz"
    np.savez(given, **chain.inputs(0))
    running = heard_results(place, "p", 20)

    def undeploy():
        until(running.is_set, "results")
        place.undeploy()

    thread = threading.Thread(target=undeploy)
    thread.start()
    code, summary = command("run", "p", "--input", given, "--output", taken, "--count", 10**6)
    thread.join()
    account = Account(**summary["account"])

    assert (code, summary["error"]["code"]) == (6, "pipeline.undeployed")
    assert (account.in_flight, account.lost) == (0, 0)
    assert 20 <= account.results < account.submitted == ended(account) < 10**6
    assert set(account.errors) <= {"worker.draining", "worker.lost", "pipeline.undeployed"}
    assert summary["failed"] == account.errors
    with np.load(taken) as answer:
        assert chain.right(0, answer)
