"""An agent that gets no connection says why in its log: once, at each change, and when it ends."""

import json
import os
import shutil
import subprocess
import sys
import time

import pytest
import yaml

import paceline
from paceline.demo import broker_kinds
from paceline.demo.processes import Child
from tests.system.conftest import missing
from tests.system.place import kept_port, until
from wire.errors import BrokerRefusedError

PASSWORD = "open sesame"
LOOKS = 1.5
"""Seconds in which a session tries a few times."""


class GuardedBroker:
    """A mosquitto that wants user and password; off until it is started."""

    def __init__(self, folder):
        reason = missing(broker_kinds.MOSQUITTO)
        if reason or shutil.which("mosquitto_passwd") is None:
            pytest.skip(reason or "mosquitto_passwd is not installed")
        self._kept = kept_port()
        self.port = self._kept.getsockname()[1]
        self.url = f"mqtt://127.0.0.1:{self.port}"
        passwords = folder / "passwords"
        passwords.touch(mode=0o600)
        subprocess.run(["mosquitto_passwd", "-b", passwords, "d1", PASSWORD], check=True)
        config = broker_kinds.mosquitto_config(self.port, root=os.geteuid() == 0)
        config = config.replace("allow_anonymous true", f"password_file {passwords}")
        self._file = folder / "mosquitto.conf"
        self._file.write_text(config)
        self._log = folder / "mosquitto.log"
        self._child = None

    def start(self):
        """Start it."""
        (*program, flag) = broker_kinds.find(broker_kinds.MOSQUITTO).program
        self._child = Child([*program, flag, str(self._file)], log=self._log)

    def stop(self):
        """Stop it; what it held in memory is lost."""
        if self._child is not None:
            self._child.stop()
            self._child = None

    def end(self):
        """Stop it for good; its port is anybody's."""
        self.stop()
        self._kept.close()


@pytest.fixture
def guarded(tmp_path):
    """A broker with a password, not yet started."""
    broker = GuardedBroker(tmp_path)
    yield broker
    broker.end()


class Agent:
    """An agent without a site around it."""

    def __init__(self, folder, **broker):
        self.log = folder / "agent.log"
        self.password = folder / "password"
        self.password.write_text(PASSWORD)
        config = folder / "agent.yaml"
        made = {
            "device": "d1",
            "state_folder": str(folder / "state"),
            "broker": {"password_file": str(self.password), **broker},
            "log": {"format": "json"},
        }
        config.write_text(yaml.safe_dump(made))
        self._child = Child(
            [sys.executable, "-I", "-m", "agent", "--config", str(config)], log=self.log
        )

    def said(self, *events):
        """Return the log's lines with these events."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        found = [json.loads(line) for line in lines if line.startswith("{")]
        return [line for line in found if line["event"] in events]

    def until_said(self, count, *events):
        """Wait for so many lines with these events and return them."""
        until(lambda: len(self.said(*events)) >= count, self.log.read_text)
        return self.said(*events)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._child.stop()


def reasons(lines):
    """Return what people would search for: event, code, and a word of the reason."""
    words = {"refused": "refused", "authori": "password", "No such file": "file"}
    found = []
    for line in lines:
        reason = line.get("reason", "")
        word = next((word for text, word in words.items() if text in reason), reason)
        found.append((line["event"], line.get("code"), word))
    return found


AWAY = ("broker.not_connected", "broker.unreachable", "refused")
REFUSED = ("broker.not_connected", "broker.refused", "password")
NO_FILE = ("broker.not_connected", "access.file_unusable", "file")
CONNECTED = ("broker.connected", None, "")
EVENTS = ("broker.not_connected", "broker.connected")


def test_each_fault_is_logged_once_and_so_is_the_recovery(guarded, tmp_path):
    """No broker, a wrong password, no password file, no broker again; each heals by itself."""
    with Agent(tmp_path, url=guarded.url) as agent:
        agent.until_said(1, *EVENTS)
        time.sleep(2 * LOOKS)
        agent.password.write_text("wrong")
        guarded.start()
        agent.until_said(2, *EVENTS)
        time.sleep(LOOKS)
        agent.password.unlink()
        agent.until_said(3, *EVENTS)
        time.sleep(LOOKS)
        agent.password.write_text(f"{PASSWORD}\n")
        connected = agent.until_said(4, *EVENTS)[-1]
        guarded.stop()
        lost = agent.until_said(1, "broker.lost")
        agent.until_said(5, *EVENTS)
        guarded.start()
        lines = agent.until_said(6, *EVENTS)

    assert reasons(lines) == [AWAY, REFUSED, NO_FILE, CONNECTED, AWAY, CONNECTED]
    assert {line["url"] for line in (*lines, *lost)} == {guarded.url}
    assert connected["connection"] > 6  # so each fault was met more often than it was told


def test_an_application_is_known_by_the_settings_alone(guarded, tmp_path, monkeypatch):
    """`paceline.connect()` gives the user and password that the command line gives."""
    guarded.start()
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    monkeypatch.setenv("PACELINE_BROKER_URL", guarded.url)
    monkeypatch.setenv("PACELINE_BROKER_USERNAME", "d1")
    monkeypatch.setenv("PACELINE_BROKER_PASSWORD_FILE", str(tmp_path / "password"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "PACELINE_CONFIG"):
        monkeypatch.delenv(name, raising=False)

    with paceline.connect() as site:
        assert site.broker == guarded.url
    with pytest.raises(BrokerRefusedError):
        paceline.connect(guarded.url)


def test_a_name_that_does_not_resolve_is_logged(tmp_path):
    """The commonest slip of all: a host name that only the laptop knows."""
    with Agent(tmp_path, url="mqtt://nobody.invalid") as agent:
        (line,) = agent.until_said(1, *EVENTS)

    assert (line["code"], line["url"]) == ("broker.unreachable", "mqtt://nobody.invalid:1883")
    assert "name" in line["reason"].lower()


@pytest.mark.on_each_broker
@pytest.mark.parametrize("dialect", ["5", "3.1.1"])
def test_a_broker_of_another_dialect_is_no_fault(broker, tmp_path, dialect):
    """Finding out what it speaks is how a connection is made."""
    url = broker.urls[dialect].partition("?")[0]
    with Agent(tmp_path, url=url) as agent:
        (line,) = agent.until_said(1, *EVENTS)

    assert line["event"] == "broker.connected"


def test_a_worker_says_that_its_broker_for_tensors_is_away(place, whole, guarded):
    """It is another broker than the supervisor's: nobody else would notice."""
    password = place.folder / "password"
    password.write_text(PASSWORD)
    tensors = {"url": guarded.url, "password_file": str(password)}
    place.start("d1", data_broker=tensors)
    from fleet import artifacts
    from fleet.control import assignments

    (wanted,) = assignments.assignments(whole.manifest, "p", 1, ("d1",))
    log = place.folder / "d1.log"

    def said(event):
        lines = [json.loads(x) for x in log.read_text().splitlines() if x.startswith("{")]
        return [line for line in lines if line["event"] == event]

    with artifacts.serve([whole.folder], place.artifacts):
        place.order("d1", place.desired("d1", [wanted]))
        until(lambda: said("link.not_connected"), log.read_text)
        guarded.start()
        place.await_phase("d1", "serving")
        guarded.stop()
        until(lambda: len(said("link.not_connected")) == 2, log.read_text)
        guarded.start()
        until(lambda: len(said("link.connected")) == 2, log.read_text)

    told = said("link.not_connected")
    assert [line["code"] for line in told] == ["broker.unreachable"] * 2
    assert {line["url"] for line in (*told, *said("link.connected"))} == {guarded.url}
    assert {line["assignment"] for line in told} == {wanted.key}
