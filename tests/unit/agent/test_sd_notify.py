"""What the service manager is told, over real datagram sockets."""

import os
import socket
import subprocess
import sys

import pytest
import yaml

from agent import sd_notify


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    """Return (socket that listens, its address as systemd writes it)."""
    name = os.urandom(8).hex()
    address = f"@paceline-{name}" if request.param == "abstract" else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + address[1:] if address[0] == "@" else address)
        listening.settimeout(10)
        yield listening, address


def test_each_message_is_one_datagram(manager):
    """Ready, alive, status and stopping, each with the line for people."""
    listening, address = manager
    told = sd_notify.from_environment({"NOTIFY_SOCKET": address})

    told.ready("serving 0 of 0")
    told.alive("serving 1 of 1")
    told.status("serving\n1 of 2")
    told.stopping("draining 1")

    assert [listening.recv(4096).decode() for _ in range(4)] == [
        "READY=1\nSTATUS=serving 0 of 0",
        "WATCHDOG=1\nSTATUS=serving 1 of 1",
        "STATUS=serving 1 of 2",
        "STOPPING=1\nSTATUS=draining 1",
    ]


def test_the_watchdog_is_fed_twice_in_its_time(manager):
    """Half of WATCHDOG_USEC, when it is meant for this process."""
    environ = {"NOTIFY_SOCKET": manager[1], "WATCHDOG_USEC": "30000000"}

    mine = sd_notify.from_environment({**environ, "WATCHDOG_PID": str(os.getpid())})
    everyones = sd_notify.from_environment(dict(environ))
    anothers = sd_notify.from_environment({**environ, "WATCHDOG_PID": "1"})

    assert [told.feed_seconds for told in (mine, everyones, anothers)] == [15.0, 15.0, None]


@pytest.mark.parametrize("usec", ["0", "-1", "1.5", "x", "9" * 400, "9" * 5000, "\udcff"])
def test_a_watchdog_time_that_is_none_does_not_watch(manager, usec):
    """Whoever set it by hand still gets an agent that starts."""
    told = sd_notify.from_environment({"NOTIFY_SOCKET": manager[1], "WATCHDOG_USEC": usec})

    assert told.feed_seconds is None


def test_children_do_not_inherit_the_manager(manager):
    """A worker's process must not speak for the supervisor."""
    environ = {"NOTIFY_SOCKET": manager[1], "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "HOME": "/"}

    sd_notify.from_environment(environ)

    assert environ == {"HOME": "/"}


@pytest.mark.parametrize(
    "environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}, {"WATCHDOG_USEC": "9"}]
)
def test_without_a_manager_nothing_is_said(environ):
    """Started by hand, or by a manager that we cannot reach."""
    told = sd_notify.from_environment(environ)

    told.ready("serving 0 of 0")

    assert told.feed_seconds is None


def test_a_manager_that_is_gone_is_no_fault(tmp_path):
    """What runs goes on."""
    told = sd_notify.ServiceManager(str(tmp_path / "nobody"), 2.0)

    told.alive("serving 1 of 1")
    told.alive("serving 1 of 1")

    assert told.feed_seconds == 1.0


def test_an_agent_says_how_it_goes(manager, tmp_path):
    """Ready without a broker; fed again and again; on SIGTERM it says that it stops."""
    listening, address = manager
    file = tmp_path / "agent.yaml"
    config = {"device": "d1", "broker": {"url": "mqtt://127.0.0.1:9"}}
    file.write_text(yaml.safe_dump({**config, "state_folder": str(tmp_path / "state")}))
    agent = subprocess.Popen(
        [sys.executable, "-I", "-m", "agent", "--config", str(file)],
        env={**os.environ, "NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"},
        stderr=subprocess.DEVNULL,
    )
    try:
        listening.settimeout(60)
        told = [listening.recv(4096).decode() for _ in range(4)]
        agent.terminate()
        while not (last := listening.recv(4096).decode()).startswith("STOPPING=1"):
            told.append(last)
        assert agent.wait(60) == 0
    finally:
        agent.kill()
        agent.wait()

    line = "STATUS=serving 0 of 0, broker not connected"
    assert told[0] == f"READY=1\n{line}"
    assert set(told[1:]) <= {f"WATCHDOG=1\n{line}", line}
    assert told.count(f"WATCHDOG=1\n{line}") >= 2
    assert last == "STOPPING=1\nSTATUS=draining 0"
