"""Devices that fetch from where their segments are not served, and what is said of them."""

import pytest

from fleet.control import fetching
from fleet.control.deploy_errors import DeployTimeoutError, DeployUnfetchedError
from fleet.control.deploy_failure import failure
from fleet.control.deploy_progress import StageProgress, Verdict
from fleet.control.device_state import DeviceState
from fleet.control.fetching import Served
from wire.messages import Info, Reason

HERE = "127.0.0.1:9000"
LOCAL = "http://localhost:8788"
ABSENT = Reason(
    code="artifact.not_served",
    message="origin http://a:1: no file after 1 attempt (HTTP 404); start what serves",
)
SILENT = Reason(code="artifact.unreachable", message="origin http://a:1: no file (timed out)")
OTHER = Reason(code="model.refused", message="no; split it again")


def stage(verdict=Verdict.WAITING, phase="fetching", reason=None, number=0):
    """Return how far a stage is."""
    return StageProgress(number, f"d{number}", f"s{number}", 7, phase, verdict, reason)


def said(stages, served):
    """Return the sentence of the error."""
    return str(failure("p", stages, 120, served, restored=True))


@pytest.mark.parametrize(
    ("reason", "served", "expected"),
    [
        (ABSENT, Served(HERE), Verdict.FAILED),
        (ABSENT, Served(HERE, {"d0": LOCAL}), Verdict.FAILED),
        (ABSENT, Served(None, {"d0": LOCAL}), Verdict.WAITING),
        (SILENT, Served(HERE, {"d0": LOCAL}), Verdict.FAILED),
        (SILENT, Served(HERE, {"d0": "http://localhost:9000"}), Verdict.WAITING),
        (SILENT, Served(HERE), Verdict.WAITING),
        (OTHER, Served(HERE, {"d0": LOCAL}), Verdict.WAITING),
        (None, Served(HERE, {"d0": LOCAL}), Verdict.WAITING),
    ],
)
def test_a_fetch_is_in_vain_where_nobody_serves_or_another_address_is_silent(
    reason, served, expected
):
    """A silence of the right address may pass, and so may anything of who serves elsewhere."""
    (judged,) = fetching.judged([stage(reason=reason)], served)

    assert judged.verdict is expected


def test_only_who_fetches_can_fetch_in_vain():
    """A reason that is left from before says nothing of a stage that loads or has ended."""
    stages = (stage(phase="loading", reason=ABSENT), stage(Verdict.REFUSED, "refused", ABSENT))

    assert fetching.judged(stages, Served(HERE)) == stages


@pytest.mark.parametrize(
    ("serve", "origin", "expected"),
    [
        ("127.0.0.1:8788", LOCAL, False),
        ("0.0.0.0:8788", "http://pc.lan:8788/", False),
        ("[::1]:8788", LOCAL, False),
        (":8788", LOCAL, False),
        ("10.0.0.7:80", "http://pc.lan", False),
        ("127.0.0.1:0", LOCAL, False),
        ("127.0.0.1:9000", "https://pc.lan", False),
        ("127.0.0.1:9000", "http://pc.lan/segments", False),
        ("127.0.0.1:9000", LOCAL, True),
        ("127.0.0.1:8788", "http://pc.lan:8788", True),
        ("10.0.0.7:8788", LOCAL, True),
    ],
)
def test_addresses_are_compared_where_nothing_can_stand_between(serve, origin, expected):
    """By port and by loopback: a proxy has TLS or a folder, and names are not looked up."""
    assert fetching.seems_elsewhere(serve, origin) is expected


@pytest.mark.parametrize(
    ("serve", "origin", "remedy"),
    [
        (HERE, LOCAL, "say --serve 127.0.0.1:8788, or write http://127.0.0.1:9000 to"),
        ("127.0.0.1:8788", "http://pc:8788", "say --serve 0.0.0.0:8788, where this machine is pc"),
        (
            "0.0.0.0:8788",
            LOCAL,
            "write http://HOST:8788 (HOST is this machine) to artifacts.origin",
        ),
        ("10.0.0.7:8788", "http://10.0.0.7:8788", ": let port 8788 of this machine through its"),
        ("0.0.0.0:8788", "http://pc:8788", "restart the agent, or let port 8788 of this machine"),
    ],
)
def test_the_error_names_both_addresses_and_the_remedy(serve, origin, remedy):
    """What --serve gave, what the device's configuration says, and what makes them one."""
    told = said([stage(Verdict.FAILED, reason=ABSENT)], Served(serve, {"d0": origin}))

    assert "(d0, s0: artifact.not_served (origin http://a:1: no file after 1 attempt" in told
    assert "start what serves" not in told
    assert f"served at {serve} (--serve), and d0 fetches from {origin} (artifacts.origin)" in told
    assert remedy in told


def test_devices_that_fetch_from_one_place_are_named_together():
    """The remedy is said once."""
    stages = [stage(Verdict.FAILED, reason=ABSENT, number=number) for number in (0, 1)]
    told = said(stages, Served(HERE, {"d0": LOCAL, "d1": LOCAL}))

    assert "d0, d1 fetch from http://localhost:8788" in told
    assert told.count("--serve 127.0.0.1:8788") == 1


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (HERE, f"served at {HERE} (--serve)"),
        (None, "somebody else serves the segments (--serve no"),
    ],
)
def test_who_still_fetches_when_time_is_up_may_ask_elsewhere(address, expected):
    """Only a stage that fetches: where another serves from no longer matters to it."""
    late = [stage(), stage(phase="loading", reason=OTHER, number=1)]
    error = failure("p", late, 120, Served(address), restored=True)

    assert type(error) is DeployTimeoutError
    assert error.reasons == {
        "d0, s0": "still fetching after 120 s",
        "d1, s1": "still loading (model.refused) after 120 s",
    }
    assert expected in error.advice
    assert "d0 fetches from where artifacts.origin says" in error.advice


def test_another_reason_stands_alone():
    """What a device refused for its signature was fetched from nowhere."""
    error = failure("p", [stage(Verdict.FAILED, "failed", OTHER)], 9, Served(HERE), restored=True)

    assert (error.code, error.advice) == ("deploy.failed", "")
    assert error.reasons == {"d0, s0": "model.refused (no; split it again)"}


def test_a_deploy_that_is_not_fetched_is_an_error_of_its_own():
    """Its exit code says that somebody was not reached."""
    error = failure("p", [stage(Verdict.FAILED, reason=ABSENT)], 9, Served(HERE), restored=True)

    assert type(error) is DeployUnfetchedError
    assert (error.code, error.exit_code) == ("deploy.not_fetched", 6)


@pytest.mark.parametrize("told", ["", "x\x1b[2J", "http://[::", "http://a:99999", "http://u:p@h"])
def test_an_origin_that_is_none_is_not_repeated(told):
    """Whoever can write to the broker says what a device's ``info`` is."""
    info = Info(device="a", version="1", runtimes=(), artifacts_origin=told)

    assert fetching.served(HERE, {"a": DeviceState("a", info=info)}) == Served(HERE)
