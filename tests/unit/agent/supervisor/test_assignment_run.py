"""One assignment's way through its life, with processes that do what the test says."""

import asyncio
import hashlib
import threading
from pathlib import Path

from agent.artifacts.fetch_errors import ArtifactNotServedError, FetchCancelledError
from agent.channel import BrokerAccess, Load
from agent.lifecycle import AT_REST, Event, State
from agent.outcome import Outcome
from agent.recovery import Recovery
from agent.supervisor.assignment_run import AssignmentRun
from agent.supervisor.memory_limits import WorkerMemory
from agent.supervisor.worker_process import COMMAND
from wire.errors import MessageError
from wire.manifest import File
from wire.messages import Assignment, Contract
from wire.tensors import TensorSpec

X = TensorSpec(name="x", dtype=1, shape=("N", 3))
FILES = (File(name="segment.onnx", sha256=hashlib.sha256(b"").hexdigest(), size_bytes=0),)
ASSIGNMENT = Assignment(
    pipeline="p", generation=1, stage=0, segment="s", format="onnx", files=FILES,
    contract=Contract(receives=(X,), sends=(X,), inputs=(X,), outputs=(X,)), runtime="identity",
)  # fmt: skip


class Around:
    """A supervisor that fetches at once and starts the commands it was given, the last for ever."""

    start_seconds = 30.0
    silence_seconds = 30.0
    retry_seconds = 30.0
    recovery = Recovery(15.0, 60.0)

    def __init__(self, *commands, fetched=lambda _: Path("/store/x")):
        self._commands = list(commands)
        self._fetched = fetched
        self.states = []
        self.told = asyncio.Event()

    @property
    def worker_command(self):
        """Return the next command."""
        return self._commands.pop(0) if len(self._commands) > 1 else self._commands[0]

    def fetch(self, assignment, cancel, hindered):
        """Do what the test says."""
        self.hindered = hindered
        return self._fetched(cancel)

    def load_order(self, assignment, folder):
        """Return an order."""
        return Load(
            device="d1", site="s", root="r", assignment=assignment, folder=folder,
            broker=BrokerAccess(url="mqtt://127.0.0.1:9"), threads=1, weights="mapped",
            inbox_frames=1, inbox_bytes=1 << 16, max_frame_bytes=1 << 16,
        )  # fmt: skip

    def memory(self, assignment):
        """No limit."""
        return WorkerMemory()

    def changed(self, run):
        """Note the state."""
        self.states.append(run.state)
        self.told.set()

    async def until(self, claim):
        """Wait until ``claim()`` is true after a change."""
        async with asyncio.timeout(90):
            while not claim():
                self.told.clear()
                await self.told.wait()


def lived(around_of, steps):
    """Run ``steps`` with a started assignment; returns it and its surroundings."""

    async def run():
        around = around_of()
        made = AssignmentRun(ASSIGNMENT, around)
        made.post(Event.STARTED)
        await steps(made, around)
        await made.shut_down()
        await made.settled()
        return made, around

    return asyncio.run(run())


def reaching(*states):
    """Return steps that wait for one of these states."""

    async def steps(run, around):
        await around.until(lambda: run.state in states)

    return steps


def distinct(states):
    """Return states without repeats in a row."""
    return [s for i, s in enumerate(states) if i == 0 or states[i - 1] is not s]


def test_an_assignment_comes_to_serve(command):
    """Fetched, loaded, warmed, opened; what it says of itself is complete."""
    said = []

    async def steps(run, around):
        await around.until(lambda: run.state is State.SERVING)
        said.append(run.reported())

    run, around = lived(lambda: Around(command()), steps)
    (reported,) = said

    assert distinct(around.states) == [
        State.FETCHING, State.LOADING, State.WARMING, State.SERVING
    ]  # fmt: skip
    assert (reported.phase, reported.outcome, reported.restarts) == ("serving", "healthy", 0)
    assert reported.runtime_actual == "scripted"
    assert reported.pid
    assert run.pid is None


def test_shutting_down_does_not_change_the_state(command):
    """The agent stops: the journal must say that it served, and no new worker is started."""
    run, around = lived(lambda: Around(command()), reaching(State.SERVING))

    assert run.state is State.SERVING
    assert around.states[-1] is State.SERVING
    assert run.losses.total == 0


def test_a_worker_that_dies_in_shutdown_is_not_replaced(command):
    """A worker killed while it drains for the agent's end stays gone."""
    faulty = command("die:CloseInput")

    run, _ = lived(lambda: Around(faulty), reaching(State.SERVING))

    assert run.state is State.SERVING
    assert run.losses.total == 0
    assert run.pid is None


def test_a_revoked_assignment_drains_and_is_released(command):
    """Its worker has gone when it is released."""

    async def steps(run, around):
        await around.until(lambda: run.state is State.SERVING)
        run.post(Event.REVOKED)
        await around.until(lambda: run.state is State.RELEASED)
        await run.settled()
        assert run.pid is None

    _, around = lived(lambda: Around(command()), steps)

    assert distinct(around.states)[-2:] == [State.DRAINING, State.RELEASED]


def test_revoked_while_fetching_cancels_the_download(command):
    """The thread that fetches is told, and nothing is loaded."""
    began, cancelled = threading.Event(), threading.Event()

    def fetched(cancel):
        began.set()
        if cancel.wait(20):
            cancelled.set()
        raise FetchCancelledError("s")

    async def steps(run, around):
        await asyncio.to_thread(began.wait, 20)
        run.post(Event.REVOKED)
        await run.settled()

    run, around = lived(lambda: Around(command(), fetched=fetched), steps)

    assert cancelled.wait(20)
    assert run.state is State.RELEASED
    assert State.LOADING not in around.states


def test_a_fetch_that_gets_nothing_says_so_while_it_goes_on(command):
    """Whoever waits for it learns why at once; when it came through, that is forgotten."""
    served, said = threading.Event(), []

    def fetched(_):
        around_now[0].hindered(ArtifactNotServedError("http://o:1", "HTTP 404", attempts=1))
        served.wait(20)
        return Path("/store/x")

    async def steps(run, around):
        await around.until(lambda: run.reason is not None)
        said.append(run.reported())
        served.set()
        await around.until(lambda: run.state is State.LOADING)
        said.append(run.reported())
        await around.until(lambda: run.state is State.SERVING)

    def around_of():
        around_now.append(Around(command(), fetched=fetched))
        return around_now[0]

    around_now = []
    lived(around_of, steps)

    assert (said[0].phase, said[0].reason.code) == ("fetching", "artifact.not_served")
    assert "http://o:1: no file after 1 attempt (HTTP 404)" in said[0].reason.message
    assert said[1].reason is None


def test_a_lost_worker_is_started_again(command):
    """It died while it served: the successor serves, and the loss is remembered."""

    async def steps(run, around):
        await around.until(lambda: run.losses.total == 1)
        await around.until(lambda: run.state is State.SERVING)
        run._steady.cancel()

    run, around = lived(lambda: Around(command("answer-and-die:OpenInput"), command()), steps)

    assert distinct(around.states)[-4:] == [
        State.SERVING, State.LOADING, State.WARMING, State.SERVING
    ]  # fmt: skip
    assert (run.reported().restarts, run.outcome) == (1, Outcome.FAILING)


def test_three_losses_are_given_up(command):
    """A worker that dies of every warm-up ends as FAILED, with the reason."""
    run, _ = lived(lambda: Around(command("die:WarmUp")), reaching(State.FAILED))

    assert run.losses.total == 3
    assert run.reason.code == "worker.lost"
    assert "SIGKILL" in run.reason.message
    assert run.outcome is Outcome.FAILING


def test_a_worker_that_says_why_is_not_tried_again(command):
    """A model that is refused is refused once."""
    run, _ = lived(lambda: Around(command("fail:Load")), reaching(State.FAILED))

    assert (run.reason.code, run.losses.total) == ("model.refused", 0)


def test_a_failed_download_is_a_reason(command):
    """An error of ours keeps its code; a bug becomes `internal`, and neither stops the agent."""

    def refuse(_):
        raise MessageError("segment", "is not there")

    def stumble(_):
        raise ZeroDivisionError("oh")

    refused, _ = lived(lambda: Around(command(), fetched=refuse), reaching(State.FAILED))
    mishandled, _ = lived(lambda: Around(command(), fetched=stumble), reaching(State.FAILED))

    assert refused.reason.code == "message.malformed"
    assert (mishandled.reason.code, "oh" in mishandled.reason.message) == ("internal", True)


def test_the_real_worker_refuses_a_segment_that_is_not_there(tmp_path):
    """Through the real process: scanned before anything is opened, and FAILED by name."""
    run, _ = lived(
        lambda: Around(COMMAND, fetched=lambda _: tmp_path), reaching(*AT_REST - {State.RELEASED})
    )

    assert run.state is State.FAILED
    assert run.reason.code.startswith("model.")
