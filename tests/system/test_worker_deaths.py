"""kill -9 of workers while frames flow."""

import os
import signal
import time

import pytest

from fleet.control.deploy_errors import DeployFailedError
from tests.system.feeding import Feeding
from tests.system.place import until


@pytest.mark.on_each_broker
@pytest.mark.parametrize(("victim", "other"), [("d1", "d2"), ("d2", "d1")])
def test_a_worker_that_is_killed_comes_back(place, slow_chain, victim, other):
    """Another takes what it held: every frame has its answer; and the reason is said."""
    place.start("d1", "d2")
    place.deploy(slow_chain.folder, "d1", "d2")
    killed, spared = place.assignment(victim), place.assignment(other)

    with Feeding(place.site.pipeline("p"), slow_chain, window=6) as feeding:
        feeding.more()
        began = time.monotonic()
        os.kill(killed.pid, signal.SIGKILL)
        back = place.await_phase(victim, "serving", without={killed.pid, None})
        print(f"serving again {time.monotonic() - began:.2f} s after kill -9")
        feeding.more()

    assert back.restarts == 1
    assert back.reason is None or back.reason.code == "worker.lost"
    assert reasons_said(place, victim) == {"worker.lost"}
    assert feeding.errors == {}
    assert place.assignment(other).pid == spared.pid


def test_a_worker_that_hangs_is_killed(place, slow_chain):
    """Stopped, not dead: without a heartbeat it is ended as worker.hung, and another serves."""
    place.start("d1", runtime={"threads": 1, "silence_seconds": 5.0})
    place.start("d2")
    place.deploy(slow_chain.folder, "d1", "d2")
    told = place.assignment("d1")

    with Feeding(place.site.pipeline("p"), slow_chain) as feeding:
        feeding.more()
        os.kill(told.pid, signal.SIGSTOP)
        place.await_phase("d1", "serving", without={told.pid, None})
        feeding.more()

    assert reasons_said(place, "d1") == {"worker.hung"}
    assert feeding.errors == {}


@pytest.mark.parametrize("limit", ["8MiB", "32MiB", "100MiB"])
def test_a_worker_without_memory_is_an_event_with_a_reason(place, whole, limit):
    """A limit that no runtime fits into ends in failed, and is named; the agent goes on."""
    place.start("d1", limits={"worker_memory_bytes": limit})

    with pytest.raises(DeployFailedError) as caught:
        place.deploy(whole.folder, "d1")

    (why,) = caught.value.reasons.values()
    assert why.startswith("worker.out_of_memory (reached its memory limit")
    assert f" of {limit.removesuffix('MiB')} MiB" in why
    until(lambda: place.reported("d1").assignments == (), "an empty report")
    until(lambda: place.workers("d1") == set(), "no worker left")
    assert place.agents["d1"].poll() is None


def test_the_third_kill_within_a_minute_ends_in_failed(place, chain):
    """It is given up with the reason; the other stages' workers stay as they are."""
    place.start("d1", "d2")
    place.deploy(chain.folder, "d1", "d2", "d1")
    others = {"d1": place.workers("d1"), "d2": place.workers("d2")}
    told = place.assignment("d2")
    for _ in range(2):
        os.kill(told.pid, signal.SIGKILL)
        told = place.await_phase("d2", "serving", without={told.pid, None})
    os.kill(told.pid, signal.SIGKILL)

    told = place.await_phase("d2", "failed", code="worker.lost")

    assert told.restarts == 3
    assert told.outcome == "failing"
    assert "SIGKILL" in told.reason.message
    until(lambda: place.workers("d2") == set(), "no worker")
    assert place.workers("d1") == others["d1"]
    until(lambda: not place.ear.last("tele/health", "d2").healthy, "health that says so")


def reasons_said(place, device):
    """Return the codes of all reasons that a device has given for its assignments."""
    return {
        assignment.reason.code
        for heard in place.ear.all("reported", device)
        for assignment in heard.message.assignments
        if assignment.reason
    }
