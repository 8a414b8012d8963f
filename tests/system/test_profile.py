"""``paceline profile``: agents measure a model when somebody who is trusted asks them to."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import msgspec
import psutil
import pytest

from fleet import keys
from tests.system.chains import Chain, write_model
from tests.system.place import alive, until
from wire import messages, signing
from wire.messages import Command


@pytest.fixture
def model(tmp_path):
    """A quick model."""
    return Chain(tmp_path, 1).model


@pytest.fixture
def cached(monkeypatch, tmp_path):
    """A user's cache of its own."""
    monkeypatch.setenv("PACELINE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "profiles"


def asked(place, device, *, key=None, **changes):
    """Return a signed request that the device would obey, with changes, as bytes."""
    made = Command(
        id=os.urandom(8).hex(),
        command="profile",
        reply_to=place.topics.device("rsp", device),
        expires_unix_ns=time.time_ns() + 60_000_000_000,
        arguments={"segment": "00-whole", "files": [], "runtime": "onnx_cpu"},
        instance=place.status(device).instance,
    )
    made = msgspec.structs.replace(made, **changes)
    return made.id, messages.encode("cmd", signing.signed(made, key or place.key))


def send(place, device, payload):
    """Publish a request."""
    place.ear.say(place.topics.device("cmd", device), payload, qos=1)


def answer(place, device, asked_id):
    """Return the final answer to a request."""

    def final():
        heard = (heard.message for heard in place.ear.all("rsp", device))
        return [message for message in heard if message.id == asked_id and message.final]

    return until(final, f"answer of {device}")[0]


def child(place, device):
    """Return the id of the process that measures on a device, once it does, or None."""
    agent = psutil.Process(place.agents[device].pid)
    for one in agent.children():
        try:
            if "bench" in one.cmdline() and one.nice() > agent.nice():
                return one.pid
        except psutil.Error:
            continue
    return None


def profile(command, place, model, *arguments):
    """Run the command against this place's origin."""
    return command("profile", str(model), "--serve", place.artifacts, *arguments)


def test_two_devices_measure_at_once_and_what_they_say_is_kept(place, command, model, cached):
    """Each says what the whole and every operator takes, and memory; asked again, nobody is."""
    place.start("d1", "d2")
    until(lambda: place.ear.last("info", "d1") and place.ear.last("info", "d2"))
    code, found = profile(command, place, model, "--on", "d1,d2", "--seconds", "0.5")
    one = found["profiles"][0]
    report = one["parts"][0]["report"]

    assert (code, [p["device"] for p in found["profiles"]]) == (0, ["d1", "d2"])
    assert [p["reused"] for p in found["profiles"]] == [False, False]
    assert len(one["operators"]) == 12
    assert sum(o["seconds"] for o in one["operators"]) == pytest.approx(one["run_seconds"])
    assert 0 < report["run"]["p10"] <= report["run"]["p50"] <= report["run"]["p90"]
    assert [row[1] for row in report["operators"]] == ["MatMul", "Tanh"] * 6
    assert (report["threads"], report["load"]["serving"]) == (1, 0)
    assert report["memory"]["runtime_bytes"] > 0
    until(lambda: not place.segments("d1"), "the device's room back")
    assert place.segments("d2") == set()

    code, again = profile(command, place, model, "--on", "d2")
    assert (code, again["profiles"][0]["reused"]) == (0, True)
    assert again["profiles"][0]["parts"] == found["profiles"][1]["parts"]


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

    made, payload = asked(place, "d1")
    for _ in range(2):  # once more, as it was recorded
        send(place, "d1", payload)
    answer(place, "d1", made)
    until(lambda: place.refusals("d1").get("command.replayed") == 1)
    heard = [h.message for h in place.ear.all("rsp", "d1") if h.message.id == made]
    assert len([message for message in heard if message.final]) == 1


def test_while_it_measures(place, command, model, cached, tmp_path):
    """A second request hears that it is busy; one that is given up ends, and takes its child.

    Whoever is not trusted is told so, and what to do.
    """
    place.start("d1")
    until(lambda: place.ear.last("info", "d1"))
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
    assert not alive(measuring)
    assert place.ask("d1", "ping").ok


def test_an_agent_that_dies_is_told_of(place, command, model, cached):
    """By its will, with exit code 6; its child dies with it, and the other device is measured."""
    place.start("d1", "d2")
    until(lambda: place.ear.last("info", "d1") and place.ear.last("info", "d2"))
    with ThreadPoolExecutor() as beside:
        asked_for = beside.submit(
            profile, command, place, model, "--on", "d1,d2", "--seconds", "0.5"
        )
        measuring = until(lambda: child(place, "d1"), "a child that measures")
        os.kill(measuring, signal.SIGSTOP)
        os.kill(place.agents["d1"].pid, signal.SIGKILL)
        code, said = asked_for.result()

    assert (code, said["failures"]["d1"]["code"]) == (6, "request.lost")
    assert [p["device"] for p in said["profiles"]] == ["d2"]
    until(lambda: not alive(measuring))


def test_a_broker_that_is_gone_for_a_while(place, command, model, cached):
    """What was measured meanwhile is said when it is back."""
    place.start("d1")
    until(lambda: place.ear.last("info", "d1"))
    with ThreadPoolExecutor() as beside:
        asked_for = beside.submit(profile, command, place, model, "--on", "d1", "--seconds", "0.5")
        until(lambda: child(place, "d1"), "a child that measures")
        place.broker.restart()
        code, found = asked_for.result()

    assert (code, [p["device"] for p in found["profiles"]]) == (0, ["d1"])


def test_a_model_that_takes_too_much(place, command, tmp_path, cached):
    """The device says so and goes on; in parts it is measured."""
    large = tmp_path / "large.onnx"
    write_model(large, rows=1, width=1536, layers=8)  # 72 MiB
    place.start("d1", limits={"worker_memory_bytes": "175MiB"})
    until(lambda: place.ear.last("info", "d1"))
    code, said = profile(command, place, large, "--on", "d1", "--seconds", "0.2")
    parts = "--on", "d1", "--seconds", "0.2", "--parts", "4"
    second, found = profile(command, place, large, *parts)

    assert (code, said["failures"]["d1"]["code"]) == (4, "worker.out_of_memory")
    assert "--parts" in said["failures"]["d1"]["message"]
    assert second == 0
    assert len(found["profiles"][0]["parts"]) == 4
    assert len(found["profiles"][0]["operators"]) == 16


def test_a_model_that_cannot_be_fetched(place, command, model, cached):
    """Whatever the origin gives, the reason is told."""
    place.start("d1", artifacts={"origin": "http://127.0.0.1:9"})
    until(lambda: place.ear.last("info", "d1"))
    with ThreadPoolExecutor() as beside:
        asked_for = beside.submit(profile, command, place, model, "--on", "d1")
        heard = until(
            lambda: [h for h in place.ear.all("rsp", "d1") if not h.message.final], "progress"
        )
        _, payload = asked(place, "d1", command="cancel", arguments={"id": heard[0].message.id})
        send(place, "d1", payload)
        code, said = asked_for.result()

    assert (code, said["failures"]["d1"]["code"]) == (6, "measurement.cancelled")
