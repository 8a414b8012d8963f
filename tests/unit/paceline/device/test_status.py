"""What ``paceline agent status`` shows and advises."""

import io
import os

import pytest

from paceline.commands.agent import Target, show_status
from paceline.device import system
from paceline.device.errors import NoSystemdError
from paceline.device.log import Problem
from paceline.device.looking import ServiceStatus, advice
from paceline.output import Output

AWAY = Problem(event="broker.not_connected", detail="refused")
WRONG = Problem(event="agent.config_refused", detail="agent.yaml:3: site: expected an id")


@pytest.mark.parametrize(
    ("state", "problem", "sees_log", "words"),
    [
        ("active", None, True, "paceline deploy DIR --to pi-1"),
        ("active", None, False, "sudo paceline agent status"),
        ("active", AWAY, True, "journalctl -u paceline-agent"),
        ("failed", None, True, "journalctl -u paceline-agent"),
        ("activating", WRONG, True, "paceline config validate /etc/paceline/agent.yaml"),
        ("inactive", None, True, "systemctl start paceline-agent"),
    ],
)
def test_the_next_command_fits_how_the_service_is(state, problem, sees_log, words):
    """Nobody has to know systemd to get on."""
    assert words in advice(state, problem, "pi-1", sees_log=sees_log)


def printed(**more):
    """Return what people see, in lines without padding."""
    found = ServiceStatus(
        **{
            "service": "active", "since_seconds": 200, "restarts": 0, "slot": "0.1.0-abcdef12",
            "kind": "x86", "device": "pi-1", "site": "lab", "broker": "mqtt://b",
            "connected": True, "insecure": False, "problem": None, "next": "do this", **more,
        }
    )  # fmt: skip
    output = Output(False, io.StringIO(), io.StringIO())
    output.result(found, lambda console: show_status(console, found))
    return [" ".join(line.split()) for line in output.stdout.getvalue().splitlines()]


def test_a_service_that_runs_is_shown_in_five_lines():
    """State, version, device, broker, and what to do next."""
    assert printed() == [
        "paceline-agent active for 3 min",
        "version 0.1.0-abcdef12 (x86)",
        "device pi-1, site lab",
        "broker mqtt://b, connected",
        "next do this",
    ]


def test_trouble_is_shown_with_its_reason():
    """Restarts, the last problem, and an open broker that somebody allowed."""
    lines = printed(restarts=3, insecure=True, connected=False, problem=AWAY)

    assert lines[0].endswith("3 restarts")
    assert lines[3] == "broker mqtt://b, not connected, insecure: true"
    assert lines[4] == "problem broker.not_connected: refused"


def test_where_nothing_starts_services_it_is_said():
    """In a container a service would wait for ever; an image is another matter."""
    if system.runs_systemd() or os.geteuid() != 0:
        pytest.skip("systemd runs here, or we are not root")

    with pytest.raises(NoSystemdError, match="--root DIR"):
        Target().check()
