"""``paceline profile``: agents measure a model when somebody who is trusted asks them to."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from fleet import keys
from fleet.control.observe import Observer
from fleet.control.requests import Requests
from tests.system.chains import write_model
from tests.system.measuring import answer, asked, send
from tests.system.place import alive, until
from wire import messages
from wire.measuring import Cancel
from wire.messages import Info

LEAST_NICE = 19
"""Of a process that leaves the processor to all others; there is none below it."""


@pytest.fixture
def model(tmp_path):
    """A quick model."""
    file = tmp_path / "chain.onnx"
    write_model(file, rows=4, width=64, layers=6)
    return file


@pytest.fixture
def cached(monkeypatch, tmp_path):
    """A user's cache of its own."""
    monkeypatch.setenv("PACELINE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "profiles"


def child(place, device):
    """Return the id of the process that measures on a device, once it does, or None."""
    agent = psutil.Process(place.agents[device].pid)
    for one in agent.children():
        try:
            if "bench" not in one.cmdline() or one.nice() < min(agent.nice() + 1, LEAST_NICE):
                continue
            if "onnxruntime" in Path(f"/proc/{one.pid}/maps").read_text():
                return one.pid
        except (psutil.Error, OSError):
            continue
    return None


def profile(command, place, model, *arguments):
    """Run the command against this place's origin."""
    return command("profile", str(model), "--serve", place.artifacts, *arguments)


def test_two_devices_measure_at_once_and_what_they_say_is_kept(place, command, model, cached):
    """Each says what the whole and every operator takes, and memory; asked again, nobody is.

    While the broker is gone the device goes on, and says what it measured when it is back.
    """
    place.start("d1", "d2")
    until(lambda: place.ear.last("info", "d1") and place.ear.last("info", "d2"))
    quick = "--seconds", "0.2", "--parts", "2"
    code, found = profile(command, place, model, "--on", "d1,d2", *quick)
    one = found["profiles"][0]
    report = one["parts"][0]["report"]

    assert (code, [p["device"] for p in found["profiles"]]) == (0, ["d1", "d2"])
    assert [p["reused"] for p in found["profiles"]] == [False, False]
    assert len(one["operators"]) == 12
    assert sum(o["seconds"] for o in one["operators"]) == pytest.approx(one["run_seconds"])
    assert 0 < report["run"]["p10"] <= report["run"]["p50"] <= report["run"]["p90"]
    kinds = [row[1] for part in one["parts"] for row in part["report"]["operators"]]
    assert kinds == ["MatMul", "Tanh"] * 6
    assert (report["threads"], report["load"]["serving"]) == (1, 0)
    assert report["memory"]["runtime_bytes"] > 0
    until(lambda: not place.segments("d1"), "the device's room back")
    assert place.segments("d2") == set()

    code, again = profile(command, place, model, "--on", "d2", *quick)
    assert (code, again["profiles"][0]["reused"]) == (0, True)
    assert again["profiles"][0]["parts"] == found["profiles"][1]["parts"]

    with ThreadPoolExecutor() as beside:
        asked_for = beside.submit(profile, command, place, model, "--on", "d1", "--seconds", "1")
        until(lambda: child(place, "d1"), "a child that measures")
        place.broker.restart()
        code, found = asked_for.result()
    assert (code, [p["device"] for p in found["profiles"]]) == (0, ["d1"])


def test_requests_that_are_not_obeyed(place, tmp_path):
    """Unsigned, another's, changed, late or old: refused with the reason, counted, nothing runs."""
    place.start("d1")
    until(lambda: place.status("d1"))
    stranger = keys.load_or_make(tmp_path / "stranger.key")
    now = time.time_ns()
    refused = {
        "stranger": asked(place, "d1", key=stranger),
        "before": asked(place, "d1", instance="another"),
        "files": asked(place, "d1", arguments={"segment": "x", "files": 7, "runtime": "y"}),
        "seconds": asked(
            place, "d1", arguments={"segment": "x", "files": [], "runtime": "y", "seconds": 1e9}
        ),
        "runtime": asked(place, "d1", arguments={"segment": "x", "files": [], "runtime": "y"}),
        "nothing": asked(place, "d1"),
    }
    made, payload = asked(place, "d1")
    refused["unsigned"] = made, payload.replace(b"ed25519:", b"none:")
    made, payload = asked(place, "d1")
    refused["changed"] = made, payload.replace(b"00-whole", b"00-other")
    codes = {}
    for name, (made, payload) in refused.items():
        send(place, "d1", payload)
        codes[name] = answer(place, "d1", made).reason.code
    late, payload = asked(place, "d1", expires_unix_ns=now - 1)
    send(place, "d1", payload)
    expired = answer(place, "d1", late).reason.code  # by a clock that nobody keeps: not late

    assert codes == {
        "stranger": "signature.refused",
        "before": "command.other_instance",
        "files": "message.malformed",
        "seconds": "message.malformed",
        "runtime": "plugin.unknown",
        "nothing": "segment.bad_files",
        "unsigned": "signature.refused",
        "changed": "signature.refused",
    }
    assert expired in {"command.expired", "segment.bad_files"}
    until(lambda: place.refusals("d1").get("signature.refused") == 3)
    assert place.refusals("d1")["command.other_instance"] == 1

    files = [{"name": "segment.onnx", "sha256": "0" * 64, "size_bytes": 9}]
    arguments = {"segment": "x", "files": files, "runtime": "onnx_cpu"}
    made, payload = asked(place, "d1", arguments=arguments)
    send(place, "d1", payload)  # nobody serves it
    _, payload = asked(place, "d1", command="cancel", arguments={"id": made})
    send(place, "d1", payload)
    assert answer(place, "d1", made).reason.code == "measurement.cancelled"

    made, payload = asked(place, "d1")
    send(place, "d1", payload)
    first = answer(place, "d1", made)
    begun = len(place.log("d1", "measurement.begun"))
    for _ in range(3):  # once more, as it was recorded
        send(place, "d1", payload)
    until(lambda: place.refusals("d1").get("command.replayed") == 3)
    heard = [h.message for h in place.ear.all("rsp", "d1") if h.message.id == made]
    assert [message for message in heard if message.final] == [first] * 2
    assert len(place.log("d1", "measurement.begun")) == begun


def test_a_model_served_elsewhere_than_devices_fetch(place, command, model, cached):
    """They say so soon, not after the minute that a deployment gives its origin."""
    place.start("d1")
    until(lambda: place.status("d1"))
    elsewhere = f"127.0.0.1:{place.port()}"
    code, told = command("profile", str(model), "--serve", elsewhere, "--on", "d1")
    failure = told["failures"]["d1"]

    assert place.log("d1", "artifact.not_fetched")
    assert (code, failure["code"]) == (6, "artifact.not_served")
    assert "after 4 attempts" in failure["message"]
    assert failure["message"].endswith("artifacts.origin or --serve: they have to be one place")


def test_an_agent_that_is_too_old_is_not_asked(place):
    """It does not list the request in its info."""
    old = Info(device="old", version="0.1", runtimes=())
    place.ear.say(
        place.topics.device("info", "old"), messages.encode("info", old), qos=1, retain=True
    )
    with place._session() as session, Observer(session, place.topics) as seen:
        seen.watch_devices(["old"])
        until(lambda: seen.device("old").info)
        requests = Requests(session, place.topics, seen, place.key)
        asked_for = requests.ask_all("profile", {"old": Cancel(id="1")}, lambda *_: True)

    assert asked_for["old"].failure.code == "device.agent_too_old"


def test_while_it_measures(place, command, model, cached, tmp_path):
    """A second request hears that it is busy; one that is given up ends, and takes its child.

    Whoever is not trusted is told so, and what to do. Of an agent that dies its will tells: exit
    code 6, its child dies with it, and the other device is measured.
    """
    place.start("d1", "d2")
    until(lambda: place.ear.last("info", "d1") and place.ear.last("info", "d2"))
    with ThreadPoolExecutor() as beside:
        first = beside.submit(profile, command, place, model, "--on", "d1", "--again")
        measuring = until(lambda: child(place, "d1"), "a child that measures")
        os.kill(measuring, signal.SIGSTOP)
        made, payload = asked(place, "d1")
        send(place, "d1", payload)
        busy = answer(place, "d1", made).reason
        running = next(h.message.id for h in place.ear.all("rsp", "d1") if not h.message.final)
        _, payload = asked(place, "d1", command="cancel", arguments={"id": running})
        send(place, "d1", payload)
        code, said = first.result()

    other = tmp_path / "other.key"
    keys.load_or_make(other)
    refused, told = profile(command, place, model, "--on", "d1", "--key", str(other))

    assert (refused, told["failures"]["d1"]["code"]) == (8, "signature.refused")
    assert "paceline key show" in told["failures"]["d1"]["message"]
    assert busy.code == "command.busy"
    assert (code, said["failures"]["d1"]["code"]) == (6, "measurement.cancelled")
    until(lambda: not alive(measuring), "the end of its child")
    assert place.ask("d1", "ping").ok

    with ThreadPoolExecutor() as beside:
        asked_for = beside.submit(profile, command, place, model, "--on", "d1,d2", "--seconds", "2")
        measuring = until(lambda: child(place, "d1"), "a child that measures")
        os.kill(measuring, signal.SIGSTOP)
        os.kill(place.agents["d1"].pid, signal.SIGKILL)
        code, said = asked_for.result()
    assert (code, said["failures"]["d1"]["code"]) == (6, "request.lost")
    assert [p["device"] for p in said["profiles"]] == ["d2"]
    until(lambda: not alive(measuring))


def test_a_model_that_takes_too_much(place, command, tmp_path, cached):
    """The device says so, with what to do, and goes on."""
    large = tmp_path / "large.onnx"
    write_model(large, rows=1, width=1536, layers=3)  # 27 MiB
    place.start("d1", limits={"worker_memory_bytes": "100MiB"})
    until(lambda: place.ear.last("info", "d1"))
    code, said = profile(command, place, large, "--on", "d1", "--seconds", "0.2")

    assert (code, said["failures"]["d1"]["code"]) == (4, "worker.out_of_memory")
    assert "--parts" in said["failures"]["d1"]["message"]
    assert place.ask("d1", "ping").ok
