"""Whoever may publish on the broker sends what it likes to an agent: counted, and nothing else."""

import json
import os
import shutil
import subprocess
import time

import psutil
import pytest

from fleet import artifacts
from fleet.control import assignments
from tests.system.place import MAX_PACKET_BYTES, alive, until
from wire import messages
from wire.messages import Command

DEVICE = "d1"
FLOOD = 10_000


@pytest.fixture(scope="module")
def served(shared_place, whole):
    """A device that serves; returns the place and the order that is obeyed."""
    place = shared_place
    with artifacts.serve([whole.folder], place.artifacts):
        place.start(DEVICE)
        (wanted,) = assignments.assignments(whole.manifest, "p", 2, (DEVICE,))
        order = place.desired(DEVICE, [wanted], revision=5)
        place.order(DEVICE, order)
        place.await_phase(DEVICE, "serving")
        yield place, order


def command(place, **changes):
    """Return a command as plain data, right but for what is changed."""
    made = Command(
        id="7", command="ping", reply_to=place.topics.device("rsp", DEVICE),
        expires_unix_ns=time.time_ns() + 60_000_000_000,
    )  # fmt: skip
    return {**json.loads(messages.encode("cmd", made)), **changes}


def standing(place):
    """Return what must not change: what is reported, its process, and the journal."""
    told = place.reported(DEVICE)
    journal = json.loads((place.folder / DEVICE / "journal.json").read_text())
    return told.observed, told.applied, told.assignments, journal


def grown(place, before, **expected):
    """Wait until the refusals have grown by so much for each reason (``.`` written ``__``)."""
    wanted = {code.replace("__", "."): count for code, count in expected.items()}

    def there():
        now = place.refusals(DEVICE)
        return {code: now.get(code, 0) - before.get(code, 0) for code in wanted} == wanted

    until(there, lambda: f"{wanted} on top of {before}; is {place.refusals(DEVICE)}")


def text(plain):
    """Return plain data as a payload."""
    return json.dumps(plain).encode()


def test_commands_that_are_none(served):
    """No JSON, truncated, oversized, deep, wrong types, another schema: counted as malformed."""
    place, _ = served
    place.ask(DEVICE, "watch")
    before, stood = place.refusals(DEVICE), standing(place)
    good = command(place)

    for payload in (
        b"", b"\x00", os.urandom(300), b"[]", b"null", b"[" * 10_000, text(good)[:-9],
        text({**good, "id": 7}), text({**good, "arguments": []}), text({**good, "schema": 2}),
        text({**good, "expires_unix_ns": 1e400}), text({**good, "padding": "x" * (17 << 10)}),
        text({k: v for k, v in good.items() if k != "reply_to"}), b'{"id":"\xff\xfe"}',
    ):  # fmt: skip
        place.ear.say(place.topics.device("cmd", DEVICE), payload, qos=1)

    grown(place, before, message__malformed=14)
    assert standing(place) == stood


def test_commands_that_would_answer_elsewhere(served):
    """A reply topic that is not the device's own is refused, whatever is in it."""
    place, _ = served
    place.ask(DEVICE, "watch")
    before, stood = place.refusals(DEVICE), standing(place)
    own = place.topics.device("rsp", DEVICE)
    topics = ["", "#", "+", f"{own}/#", f"{own}/../desired", own + "\0", own.replace(DEVICE, "d2")]
    topics += [place.topics.device("desired", DEVICE), "../" * 100, "$SYS/broker"]

    for topic in topics:
        bad = text(command(place, reply_to=topic))
        place.ear.say(place.topics.device("cmd", DEVICE), bad, qos=1)

    grown(place, before, command__bad_reply_to=len(topics))
    assert standing(place) == stood


def test_ids_that_are_paths(served):
    """A command's id is only given back; its name and arguments reach nothing."""
    place, _ = served
    stood = standing(place)
    ids = ["../../etc/passwd", "#", "+", "a\0b", "x" * 4000, "{0.__class__}", "%s%n"]

    for odd in ids:
        asked = text(command(place, id=odd, command=odd, arguments={"../": {"#": odd}}))
        place.ear.say(place.topics.device("cmd", DEVICE), asked, qos=1)

    def answered():
        return {h.message.id for h in place.ear.all("rsp", DEVICE)} >= set(ids)

    until(answered, "the answers")
    assert standing(place) == stood


def test_orders_replayed_edited_and_forged(served):
    """Counted by reason; what was obeyed is obeyed, and asked for again it ends the complaint."""
    place, order = served
    place.ask(DEVICE, "watch")
    before, stood = place.refusals(DEVICE), standing(place)
    plain = json.loads(order)
    topic = place.topics.device("desired", DEVICE)
    older = place.desired(DEVICE, [], revision=4)

    for payload in (
        older, older,
        text({**plain, "revision": 99}), text({**plain, "assignments": []}),
        text({**plain, "signature": ""}), text({**plain, "signature": "ed25519:AAAA"}),
        text({**plain, "signature": plain["signature"][:-8] + "AAAAAA=="}),
        order[:-1], order[: len(order) // 2], os.urandom(5000), b"{" * 9, b"\0" * 64,
        order[:-1] + b" " * (121 << 10) + b"}",
    ):  # fmt: skip
        place.ear.say(topic, payload, qos=1)  # not retained: the good one stands there still

    grown(place, before, desired__conflict=2, signature__refused=5, message__malformed=6)
    until(lambda: place.reported(DEVICE).refused is None, "the good order, asked for again")
    assert standing(place) == stood


def test_births_and_rebirths_that_are_none(served):
    """On the device's own status topic and on those that ask for everything again."""
    place, _ = served
    place.ask(DEVICE, "watch")
    before, stood = place.refusals(DEVICE), standing(place)
    connected = len(place.log(DEVICE, "broker.connected"))
    status = place.topics.device("status", DEVICE)
    rebirth = place.topics.topic("rebirth", service="hub")
    forged = {"session": 1 << 62, "boot": "x", "state": "online", "schema": 1}

    for payload in (
        b"\0",
        b"{}",
        text({**forged, "state": "../"}),
        text({**forged, "session": "#"}),
    ):
        place.ear.session.unsubscribe(place.topics.filter("status"))
        place.ear.say(status, payload, qos=1)
    place.ear.session.subscribe(place.topics.filter("status"), 1, place.ear._hear)
    for payload in (b"", b"\xff", b"[]"):
        place.ear.say(rebirth, payload, qos=1)
    place.ear.say(rebirth.replace("hub", "UPPER"), b'{"service":"hub"}', qos=1)
    place.ear.say(status, text(forged), qos=1, retain=True)

    grown(place, before, message__malformed=7, topic__malformed=1)
    until(lambda: place.status(DEVICE).session < 1 << 40, "its own word, the last on its topic")
    assert standing(place) == stood
    assert len(place.log(DEVICE, "broker.connected")) == connected


def test_what_is_larger_than_any_message(served):
    """Megabytes are not even taken from a broker that can be told so; the device goes on."""
    place, _ = served
    stood = standing(place)
    huge = os.urandom(MAX_PACKET_BYTES - 4096)

    for kind in ("desired", "cmd", "status"):
        for _ in range(3):
            place.ear.say(place.topics.device(kind, DEVICE), huge, qos=1)

    place.ask(DEVICE, "ping")
    assert standing(place) == stood


def test_a_stranger_at_full_speed(served, tmp_path):
    """Ten thousand messages: counted, a few lines of log, no memory, no change, no traceback."""
    if shutil.which("mosquitto_pub") is None:
        pytest.skip("mosquitto_pub is not installed")
    place, _ = served
    place.ask(DEVICE, "watch")
    stood, log = standing(place), place.folder / f"{DEVICE}.log"
    supervisor = psutil.Process(place.agents[DEVICE].pid)
    lines = tmp_path / "lines"
    lines.write_bytes(b"\n".join(os.urandom(60).hex().encode() for _ in range(FLOOD // 4)))
    ping = text(command(place, reply_to="elsewhere"))
    pings = tmp_path / "pings"
    pings.write_bytes(b"\n".join([ping] * (FLOOD // 4)))

    def flood():
        port = str(place.site.options.url.port)
        floods = [("desired", lines), ("cmd", lines), ("cmd", pings), ("status", lines)]
        for kind, file in floods:
            with file.open("rb") as sent:
                subprocess.run(
                    ["mosquitto_pub", "-p", port, "-t", place.topics.device(kind, DEVICE), "-l"],
                    stdin=sent, check=True, timeout=120,
                )  # fmt: skip
        asked = set()
        until(lambda: answers(place, asked), "an answer")

    place.ear.session.unsubscribe(place.topics.filter("status"))
    flood()  # what one flood leaves is memory that the next one uses again
    pss, size, counted = supervisor.memory_full_info().pss, log.stat().st_size, total(place)
    flood()
    place.ear.session.subscribe(place.topics.filter("status"), 1, place.ear._hear)
    until(lambda: total(place) > counted, "more refusals")
    grown_bytes = supervisor.memory_full_info().pss - pss

    print(f"PSS grew by {grown_bytes} bytes; refused {place.refusals(DEVICE)}")
    assert grown_bytes < 2 << 20
    assert log.stat().st_size - size < 16 << 10
    assert set(place.refusals(DEVICE)) <= {
        "message.malformed", "signature.refused", "desired.conflict", "command.bad_reply_to",
        "command.unknown", "command.too_many", "control.flooded", "topic.malformed",
    }  # fmt: skip
    assert standing(place) == stood
    assert alive(place.assignment(DEVICE).pid)
    assert "Traceback" not in log.read_text()
    until(lambda: place.reported(DEVICE).refused is None, "the good order, asked for again")


def answers(place, asked):
    """Ask once more; whether any ping is answered: one amid a flood may be dropped with it."""
    made = command(place, id=os.urandom(8).hex())
    asked.add(made["id"])
    place.ear.say(place.topics.device("cmd", DEVICE), text(made), qos=1)
    time.sleep(0.5)
    return asked & {heard.message.id for heard in place.ear.all("rsp", DEVICE)}


def total(place):
    """Return how much a device has refused altogether."""
    return sum(place.refusals(DEVICE).values())
