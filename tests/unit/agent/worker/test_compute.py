"""The hot loop: one frame in, one result or one error out, and its room given back."""

import dataclasses
import threading
import time

import msgspec
import numpy as np
import pytest

from agent.errors import RuntimeFailedError
from agent.runtimes.identity import IdentityRuntime
from agent.worker.compute import Compute
from agent.worker.inbox import Inbox, Waiting
from agent.worker.stats import Stats
from wire import codecs, timings
from wire.frame import Kind
from wire.hop import Position
from wire.messages import Batching, Contract
from wire.tensors import TensorSpec


class Neighbours:
    """What compute hands on: results, answers and room given back."""

    def __init__(self, size_bytes=100):
        self.results, self.answers, self.released = [], [], []
        self.ticks = 0
        self._size_bytes = size_bytes

    def forward(self, frame, deadline_ns, upstream=None):
        """Take a result."""
        self.results.append(frame)
        return self._size_bytes

    def answer(self, frame, code, message):
        """Take an error."""
        self.answers.append((frame.sequence, code))

    def tick(self):
        """Count."""
        self.ticks += 1

    def release(self, position, *, settled):
        """Take room back."""
        self.released.append(position.frames_before)


class Failing(IdentityRuntime):
    """Refuses every frame."""

    def run(self, inputs):
        """Raise what a runtime may raise."""
        raise RuntimeFailedError("failing", "no")


class Hungry(IdentityRuntime):
    """Finds no memory."""

    def run(self, inputs):
        """Raise what a runtime raises then."""
        raise MemoryError("1600000000 bytes")


def until(claim):
    """Wait until ``claim()`` is true."""
    ends = time.monotonic() + 20
    while not claim():
        assert time.monotonic() < ends
        time.sleep(0.001)


def served(stage, frames, runtime=None, neighbours=None):
    """Run frames through a compute loop; returns its neighbours and counts."""
    neighbours = neighbours or Neighbours()
    inbox, stats = Inbox(100, 1 << 20), Stats()
    for number, frame in enumerate(frames):
        inbox.put(Waiting(frame, Position(1, number, 0, "d0"), 50, received=number))
    runtime = runtime or IdentityRuntime()
    compute = Compute(stage, runtime, inbox, neighbours, neighbours, stats)
    compute.serve(lambda: not len(inbox))
    return neighbours, stats.snapshot(pipeline="p", generation=7, stage=1, instance=9)


def test_a_frame_becomes_a_frame_for_the_next_stage(made):
    """Same stream and sequence, the next stage's number, and one more entry in the waterfall."""
    out, told = served(made.stage(), [made.frame(4, meta={"traceparent": "t"})])
    (result,) = out.results
    (entry,) = timings.entries(dict(result.meta))

    assert (result.kind, result.sequence, result.stage, result.generation) == (Kind.DATA, 4, 2, 7)
    assert (result.meta["traceparent"], result.meta["client"]) == ("t", "c")
    assert (entry.stage, entry.device, entry.clock) == (1, "d1", "c")
    assert entry.received <= entry.started <= entry.run <= entry.finished <= entry.sent
    assert (out.released, told.counts.run) == ([0], 1)


def test_the_last_stage_makes_results(made):
    """They say which stage they come from."""
    out, _ = served(made.stage(downstream=()), [made.frame()])

    assert [(r.kind, r.stage) for r in out.results] == [(Kind.RESULT, 1)]


def test_a_stage_without_memory_ends(made):
    """The frame is answered first; what the runtime keeps goes with the process."""
    out = Neighbours()

    with pytest.raises(MemoryError):
        served(made.stage(), [made.frame(4)], Hungry(), out)

    assert (out.answers, out.ticks, out.released) == ([(4, "worker.out_of_memory")], 1, [0])


@pytest.mark.parametrize(
    ("fields", "code"),
    [({"deadline_ms": 0}, "frame.deadline"), ({"meta": {"codec": "no"}}, "frame.malformed")],
)
def test_a_frame_that_is_not_run_is_answered(made, fields, code):
    """Too late, or unreadable: an error, no result, and its room is free."""
    out, told = served(made.stage(), [made.frame(**fields)])

    assert (out.answers, out.results, out.released) == ([(0, code)], [], [0])
    assert told.counts.run == 0


def test_a_failed_run_is_answered_and_the_next_frame_runs(made):
    """Never a default answer; the loop goes on."""
    out, told = served(made.stage(), [made.frame(0), made.frame(1)], Failing())

    assert out.answers == [(0, "runtime.failed"), (1, "runtime.failed")]
    assert (out.results, out.released, told.counts.run) == ([], [0, 1], 0)


def test_a_frame_that_could_not_be_sent_on_is_not_counted_as_run(made):
    """The sending side has told the client; counting it as sent would be a lie."""
    out, told = served(made.stage(), [made.frame()], neighbours=Neighbours(size_bytes=None))

    assert (told.counts.run, told.counts.sent, out.released) == (0, 0, [0])


def test_tensors_are_passed_on_without_being_decoded(made):
    """What a stage does not take keeps its bytes; what the contract does not send stays behind."""
    y = TensorSpec(name="y", dtype=1, shape=("n",))
    contract = Contract(
        receives=(made.X, y), sends=(y, made.X), inputs=(made.X,), outputs=(made.X,)
    )
    tensors = codecs.tensors(
        {n: np.full(2, i, np.float32) for i, n in enumerate(("x", "y", "left"))}
    )
    frame = msgspec.structs.replace(made.frame(), tensors=tensors)

    out, _ = served(made.stage(contract=contract), [frame])
    sent = out.results[0].tensors

    assert [tensor.name for tensor in sent] == ["y", "x"]
    assert sent[0].data is tensors[1].data


@pytest.mark.parametrize(
    ("came", "leaves", "same"),
    [("fp16", "fp16", True), ("fp16", "int8_tensor", False), ("raw", "fp16", False)],
)
def test_what_is_passed_on_keeps_its_bytes_while_the_codec_stays(made, came, leaves, same):
    """A tensor is coded once on its way; where the codec changes, it is written again."""
    y = TensorSpec(name="y", dtype=1, shape=("n",))
    contract = Contract(
        receives=(made.X, y), sends=(made.X, y), inputs=(made.X,), outputs=(made.X,)
    )
    arrays = {name: np.linspace(-1, 1, 50, dtype=np.float32) for name in "xy"}
    frame = msgspec.structs.replace(
        made.frame(meta=codecs.meta({}, came)), tensors=codecs.tensors(arrays, came)
    )

    out, _ = served(made.stage(contract=contract, codec=leaves), [frame])
    (result,) = out.results

    assert result.meta["codec"] == leaves
    assert (result.tensors[1].data is frame.tensors[1].data) == same
    for array in codecs.arrays(result).values():
        np.testing.assert_allclose(array, arrays["y"], atol=0.01)


def test_a_result_is_raw_whatever_the_stage_sends_with(made):
    """Also what came in coded and is only passed on: clients get plain arrays."""
    x = np.linspace(-1, 1, 50, dtype=np.float32)
    frame = msgspec.structs.replace(
        made.frame(meta=codecs.meta({}, "fp16")), tensors=codecs.tensors({"x": x}, "fp16")
    )

    out, _ = served(made.stage(downstream=(), codec="int8_tensor"), [frame])
    (result,) = out.results

    assert "codec" not in result.meta
    assert result.tensors[0].data.nbytes == x.nbytes


def test_an_output_is_never_replaced_by_an_input_of_its_name(made):
    """A runtime that forgets an output has failed, also when such a tensor came in."""

    class Forgetful(IdentityRuntime):
        def run(self, inputs):
            return {}

    out, _ = served(made.stage(), [made.frame()], Forgetful())

    assert (out.answers, out.results) == ([(0, "runtime.failed")], [])


class Claiming:
    """A compute loop whose main thread waits, and the reader thread that claims frames of it."""

    def __init__(self, made, runtime=None, **batching):
        self.out, self.inbox = Neighbours(), Inbox(100, 1 << 20)
        stage = made.stage()
        if batching:
            assignment = msgspec.structs.replace(stage.assignment, batching=Batching(**batching))
            stage = dataclasses.replace(stage, assignment=assignment)
        self.compute = Compute(
            stage, runtime or IdentityRuntime(), self.inbox, self.out, self.out, Stats()
        )
        self.over = threading.Event()
        self.failures = []
        self._made = made
        self._main = threading.Thread(target=self._serve)

    def __enter__(self):
        self._main.start()
        until(lambda: self.out.ticks > 0)
        return self

    def __exit__(self, *_):
        self.over.set()
        self.inbox.wake()
        self._main.join()

    def waiting(self, number):
        """Return a frame that passed its checks."""
        frame = self._made.frame(number)
        return Waiting(frame, Position(1, number, 0, "d0"), 50, received=number)

    def claim(self, number):
        """Return the work of a frame, as soon as the main thread is idle."""
        found = []
        until(lambda: found.append(self.compute.claim(self.waiting(number))) or found[-1])
        return found[-1]

    def _serve(self):
        try:
            self.compute.serve(self.over.is_set)
        except Exception as error:
            self.failures.append(error)


def test_a_frame_that_finds_nobody_at_work_is_run_by_who_received_it(made):
    """In that thread, and its result leaves before the call ends."""
    with Claiming(made) as claiming:
        claiming.claim(0)()

        assert [result.sequence for result in claiming.out.results] == [0]
        assert claiming.out.released == [0]


def test_nobody_overtakes_a_frame_that_is_run_or_waits(made):
    """What was claimed keeps all others out until it is done; then the main thread is first."""
    with Claiming(made) as claiming:
        work = claiming.claim(0)
        while_claimed = claiming.compute.claim(claiming.waiting(1))
        claiming.inbox.put(claiming.waiting(1))
        work()
        behind_another = claiming.compute.claim(claiming.waiting(2))
        if behind_another is not None:  # the main thread was quick
            behind_another()
        until(lambda: len(claiming.out.results) >= 2)

        assert while_claimed is None
        assert [result.sequence for result in claiming.out.results][:2] == [0, 1]


@pytest.mark.parametrize("bound", [True, False])
def test_a_runtime_that_is_bound_to_a_thread_keeps_it(made, bound):
    """CUDA's provider, for instance, keeps memory for each thread that runs."""
    runtime = IdentityRuntime()
    runtime.any_thread = not bound
    with Claiming(made, runtime) as claiming:
        time.sleep(0.05)
        work = claiming.compute.claim(claiming.waiting(0)) if bound else claiming.claim(0)
        if work is not None:
            work()

        assert (work is None) == bound


@pytest.mark.parametrize(("seconds", "claimed"), [(0.0, True), (0.01, False)])
def test_a_batch_that_waits_for_more_is_the_main_threads(made, seconds, claimed):
    """A frame that came alone would not wait for others; where none is waited for it goes on."""
    with Claiming(made, max_frames=4, max_wait_seconds=seconds) as claiming:
        time.sleep(0.05)
        work = claiming.claim(0) if claimed else claiming.compute.claim(claiming.waiting(0))
        if work is not None:
            work()

        assert (work is not None) == claimed


def test_what_ends_the_stage_in_a_readers_hands_ends_it_in_the_main_thread(made):
    """The reader lives on; nothing more is claimed."""
    with Claiming(made, Hungry()) as claiming:
        claiming.claim(0)()
        until(lambda: claiming.failures)

        assert isinstance(claiming.failures[0], MemoryError)
        assert claiming.compute.claim(claiming.waiting(1)) is None
        assert claiming.out.answers == [(0, "worker.out_of_memory")]


def test_nothing_is_claimed_of_a_stage_that_does_not_serve(made):
    """Neither before nor after: what is given back must not run."""
    claiming = Claiming(made)
    before = claiming.compute.claim(claiming.waiting(0))
    with claiming:
        pass

    assert (before, claiming.compute.claim(claiming.waiting(0))) == (None, None)
