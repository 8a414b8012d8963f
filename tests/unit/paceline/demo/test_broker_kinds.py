"""Which broker is started, and how it is configured."""

import tomllib

import pytest

from paceline.demo import broker_kinds
from paceline.demo.errors import NoBrokerError


def fake_mosquitto(folder, says="mosquitto version 9.8.7\n\nmosquitto is a broker."):
    """Put a program of that name into a folder."""
    program = folder / "mosquitto"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{says}\nEND\nexit 1\n")
    program.chmod(0o755)
    return program


def test_mosquitto_on_the_path_is_preferred(tmp_path, monkeypatch):
    """Its name shows the version that it tells."""
    program = fake_mosquitto(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    found = broker_kinds.find()

    assert (found.name, found.program) == ("mosquitto 9.8.7", (str(program), "-c"))


def test_a_mosquitto_that_tells_no_version_is_still_one(tmp_path, monkeypatch):
    """Only the name is shorter."""
    fake_mosquitto(tmp_path, says="usage")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    assert broker_kinds.find("mosquitto").name == "mosquitto"


def test_without_mosquitto_the_pip_installed_one_serves(tmp_path, monkeypatch):
    """A newcomer without root still has a broker."""
    pytest.importorskip("iotcore", reason="paceline[demo] is not installed")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(broker_kinds, "_SYSTEM_FOLDERS", str(tmp_path))

    assert broker_kinds.find().name.startswith("rumqttd (iotcore ")


def test_a_broker_that_is_not_installed_is_an_error_with_a_way_out(tmp_path, monkeypatch):
    """Exit code 6, and what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(broker_kinds, "_SYSTEM_FOLDERS", str(tmp_path))
    with pytest.raises(NoBrokerError, match=r"\(mosquitto is not installed\); install") as caught:
        broker_kinds.find("mosquitto")

    assert caught.value.exit_code == 6


def test_an_unknown_preference_is_refused():
    """Not taken for `auto`."""
    with pytest.raises(ValueError, match="unknown broker 'emqx'"):
        broker_kinds.find("emqx")


@pytest.mark.parametrize("root", [True, False])
def test_mosquitto_listens_on_loopback_alone_and_keeps_its_user(root):
    """As root it must not change the user, or it would outlive us; else `user` means nothing."""
    lines = broker_kinds.mosquitto_config(18830, root=root).splitlines()

    assert [line for line in lines if line.startswith("listener")] == ["listener 18830 127.0.0.1"]
    assert ("user root" in lines) == root
    assert {"allow_anonymous true", "persistence false", "set_tcp_nodelay true"} < set(lines)


def test_rumqttd_has_a_listener_for_each_dialect_on_loopback_alone():
    """Large messages, little memory."""
    config = tomllib.loads(broker_kinds.rumqttd_config({"5": 18835, "3.1.1": 18834}))

    listeners = {dialect: config[dialect]["1"] for dialect in ("v4", "v5")}
    assert {name: one["listen"] for name, one in listeners.items()} == {
        "v4": "127.0.0.1:18834",
        "v5": "127.0.0.1:18835",
    }
    assert {one["connections"]["max_payload_size"] for one in listeners.values()} == {64 << 20}
    assert config["router"]["max_segment_size"] * config["router"]["max_segment_count"] == 16 << 20
