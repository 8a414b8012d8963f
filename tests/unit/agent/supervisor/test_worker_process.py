"""A worker's process as its supervisor sees it: every way to end has its reason."""

import asyncio
import time

import pytest

from agent.channel import CloseInput, Drained, Opened, OpenInput, Warmed, WarmUp
from agent.supervisor.worker_process import WorkerFailedError, WorkerLostError, WorkerProcess


def running(command, steps, *, start_seconds=30.0, silence_seconds=30.0):
    """Run ``steps`` with a started worker, end it, and return what it was lost by."""
    lost = []

    async def run():
        worker = WorkerProcess(
            lost.append,
            start_seconds=start_seconds,
            silence_seconds=silence_seconds,
            command=command,
        )
        await worker.start()
        try:
            await steps(worker)
        finally:
            await worker.end()
        assert worker._process.returncode is not None

    asyncio.run(run())
    return lost


def test_orders_are_answered(command):
    """Each order has its report; an end that was asked for is no loss."""
    got = []

    async def steps(worker):
        assert worker.pid
        got.extend([await worker.order(each) for each in (WarmUp(), OpenInput(), CloseInput())])

    lost = running(command(), steps)

    assert got == [Warmed(seconds=0.0, max_abs_diff=0.0), Opened(), Drained()]
    assert lost == []


@pytest.mark.parametrize(
    ("fault", "reason", "message", "unseen_seconds"),
    [
        ("die", "worker.lost", "was ended by SIGKILL", 0.0),
        ("noise", "channel.malformed", "worker channel", 0.0),
        ("hang", "worker.hung", "sent no heartbeat", 0.6),
        ("hung", "worker.hung", "a run did not end", 31.0),
    ],
)
def test_a_worker_that_ends_before_its_answer(command, fault, reason, message, unseen_seconds):
    """Killed, senseless, silent, in a call: who waits for the answer hears why, its owner too."""
    waited = []

    async def steps(worker):
        with pytest.raises(WorkerLostError, match=message) as caught:
            await worker.order(WarmUp())
        waited.append(caught.value.reason)

    limit = 0.6 if fault == "hang" else 30.0
    lost = running(command(f"{fault}:WarmUp"), steps, start_seconds=limit, silence_seconds=limit)

    assert waited == [reason]
    assert [error.reason for error in lost] == [reason]
    assert lost[0].unseen_seconds >= unseen_seconds


def test_a_supervisor_that_was_stopped_itself_kills_nobody(command):
    """A machine that was paused: its workers had no chance to be heard."""
    got = []

    async def steps(worker):
        await worker.order(OpenInput())  # from now on it is watched closely
        time.sleep(4.0)  # noqa: ASYNC251 the whole loop stands still
        await asyncio.sleep(0.1)
        got.append(await worker.order(WarmUp()))

    lost = running(command(), steps, silence_seconds=2.5)

    assert got == [Warmed(seconds=0.0, max_abs_diff=0.0)]
    assert lost == []


def test_a_worker_that_says_why_it_cannot(command):
    """Its own reason is kept: starting it again would not help."""
    reasons = []

    async def steps(worker):
        with pytest.raises(WorkerFailedError, match="operator is unknown") as caught:
            await worker.order(WarmUp())
        reasons.append(caught.value.reason)

    running(command("fail:WarmUp"), steps)

    assert reasons == ["model.refused"]


def test_a_worker_that_dies_while_it_serves(command):
    """Nobody waits for an answer then: the owner is called, once."""

    async def steps(worker):
        await worker.order(OpenInput())
        await worker._watch
        with pytest.raises(WorkerLostError):
            await worker.order(CloseInput())

    lost = running(command("answer-and-die:OpenInput"), steps)

    assert [error.reason for error in lost] == ["worker.lost"]


def test_what_cannot_be_started_is_lost():
    """A missing interpreter is an error with our code, and leaves no socket open."""

    async def run():
        worker = WorkerProcess(
            print, start_seconds=1, silence_seconds=1, command=("/nonexistent/python",)
        )
        with pytest.raises(WorkerLostError, match="cannot be started"):
            await worker.start()
        with pytest.raises(WorkerLostError, match="has ended"):
            await worker.order(WarmUp())
        await worker.end()

    asyncio.run(run())


def test_the_real_worker_ends_with_its_socket(command):
    """`python -m agent.worker` goes by itself when the supervisor's end closes: no orphan."""

    async def run():
        worker = WorkerProcess(print, start_seconds=30, silence_seconds=30)
        await worker.start()
        process = worker._process
        worker._ending = True
        worker._socket.shutdown(2)
        await asyncio.wait_for(process.wait(), 60)
        await worker.end()
        return process.returncode

    assert asyncio.run(run()) in {17, -9}
