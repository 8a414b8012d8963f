"""What came of a run leaves in order, meanwhile another frame runs, and nothing is left behind."""

import contextlib
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.runtimes.identity import IdentityRuntime
from agent.worker.compute import Compute
from agent.worker.departures import Departures
from agent.worker.inbox import Inbox, Waiting
from agent.worker.stats import Stats
from wire import timings
from wire.hop import Position

SECONDS = 60


class Outbound:
    """Sees that only one thread at a time is in it."""

    def __init__(self):
        self.left, self.ticks, self.threads = [], 0, set()
        self.together = False
        self._within = threading.Lock()

    def take(self, number):
        """Be what a departure does."""
        with self._alone():
            self.left.append(number)
            self.threads.add(threading.current_thread())

    def tick(self):
        """Count."""
        with self._alone():
            self.ticks += 1

    @contextlib.contextmanager
    def _alone(self):
        self.together |= not self._within.acquire(blocking=False)
        time.sleep(0)  # let others come
        yield
        self._within.release()


class Made:
    """Departures, and what they told."""

    def __init__(self):
        self.outbound, self.failures, self.woken = Outbound(), [], threading.Event()
        self.departures = Departures(self.outbound, self.failures.append, self.woken.set)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.departures.close()


@given(st.lists(st.booleans(), max_size=40))
def test_departures_are_done_in_the_order_in_which_they_are_given(asides):
    """One at a time, here or aside; each is followed by a tick."""
    with Made() as made:
        for number, aside in enumerate(asides):
            made.departures.leave(lambda number=number: made.outbound.take(number), aside=aside)
        made.departures.leave(lambda: None, aside=False)

    assert made.outbound.left == list(range(len(asides)))
    assert made.outbound.ticks == len(asides) + 1
    assert not made.outbound.together
    assert len(made.outbound.threads) <= 2


def test_at_most_one_waits():
    """Who has the next one is held until the one before has left."""
    may_leave, given_both = threading.Event(), threading.Event()

    with Made() as made:

        def both():
            made.departures.leave(lambda: may_leave.wait(SECONDS) and None, aside=True)
            made.departures.leave(lambda: made.outbound.take(1), aside=True)
            given_both.set()

        giver = threading.Thread(target=both)
        giver.start()
        early = given_both.wait(0.1)
        busy = made.departures.busy
        may_leave.set()
        late = given_both.wait(SECONDS)
        giver.join()

    assert (early, busy, late) == (False, True, True)
    assert (made.outbound.left, made.departures.busy) == ([1], False)


def test_what_is_due_while_something_leaves_is_done_by_who_wakes_up():
    """A tick is never lost, and waits for nobody."""
    leaving, may_leave = threading.Event(), threading.Event()

    def slowly():
        leaving.set()
        may_leave.wait(SECONDS)

    with Made() as made:
        made.departures.leave(slowly, aside=True)
        leaving.wait(SECONDS)
        made.departures.tick()
        before = made.outbound.ticks
        may_leave.set()
        made.departures.leave(lambda: None, aside=False)

        assert before == 0
        assert made.outbound.ticks == 2


def test_a_tick_after_the_last_one_wakes_the_main_thread():
    """It comes between the departure's own tick and its end."""
    with Made() as made:
        tick = made.outbound.tick

        def tick_and_another_asks():
            tick()
            made.outbound.tick = tick
            made.departures.tick()

        made.outbound.tick = tick_and_another_asks
        made.departures.leave(lambda: None, aside=True)

        assert made.woken.wait(SECONDS)


def test_what_fails_aside_is_told_and_the_next_one_leaves():
    """Here it is raised."""

    def fails():
        raise MemoryError("1600000000 bytes")

    with Made() as made:
        made.departures.leave(fails, aside=True)
        made.departures.leave(lambda: made.outbound.take(1), aside=True)
        with pytest.raises(MemoryError):
            made.departures.leave(fails, aside=False)
        made.departures.leave(lambda: made.outbound.take(2), aside=False)

    assert [str(failure) for failure in made.failures] == ["1600000000 bytes"]
    assert made.outbound.left == [1, 2]


def test_without_memory_for_a_thread_it_is_done_here(monkeypatch):
    """As if nobody waited."""
    with Made() as made, monkeypatch.context() as poor:

        def start(_):
            raise RuntimeError("can't start new thread")

        poor.setattr(threading.Thread, "start", start)
        made.departures.leave(lambda: made.outbound.take(0), aside=True)
        now = made.outbound.left.copy()
        poor.undo()

    assert (now, made.outbound.threads) == ([0], {threading.current_thread()})


class Watched(IdentityRuntime):
    """Tells which frames it has begun to run."""

    def __init__(self):
        super().__init__()
        self.runs = []
        self.began = threading.Condition()

    def run(self, inputs):
        """Count."""
        with self.began:
            self.runs.append(inputs)
            self.began.notify_all()
        return inputs

    def until(self, count):
        """Wait until so many were begun; returns whether they were."""
        with self.began:
            return self.began.wait_for(lambda: len(self.runs) >= count, SECONDS)


class Neighbours:
    """What compute hands on; each result waits for what the test wants."""

    def __init__(self, until=lambda _: None):
        self.results, self.released, self.answers = [], [], []
        self._until = until

    def forward(self, frame, deadline_ns, upstream=None):
        """Take a result."""
        self._until(len(self.results))
        self.results.append(frame.sequence)
        return 100

    def answer(self, frame, code, message):
        """Take an error."""
        self.answers.append((frame.sequence, code))

    def tick(self):
        """Do nothing."""

    def release(self, position, *, settled):
        """Take room back."""
        self.released.append(position.frames_before)


def compute_of(made, runtime, out, count):
    """Return a compute loop with so many frames, and its inbox."""
    inbox = Inbox(100, 1 << 20)
    for number in range(count):
        inbox.put(Waiting(made.frame(number), Position(1, number, 0, "d0"), 50, received=number))
    return Compute(made.stage(), runtime, inbox, out, out, Stats()), inbox


def test_the_next_frame_runs_while_the_one_before_leaves(made):
    """The first result leaves only when the second run has begun."""
    runtime, met = Watched(), []
    out = Neighbours(lambda place: met.append(runtime.until(min(place + 2, 5))))
    compute, inbox = compute_of(made, runtime, out, 5)

    compute.serve(lambda: not len(inbox))

    assert met == [True] * 5
    assert out.results == out.released == [0, 1, 2, 3, 4]


def test_a_stage_does_not_end_before_what_leaves_has_left(made):
    """Its end may be due at once."""
    runtime, finished = Watched(), []
    out = Neighbours(lambda _: runtime.until(2) and finished)
    compute, _ = compute_of(made, runtime, out, 2)

    compute.serve(lambda: finished.append(1) or len(runtime.runs) == 2)

    assert out.results == [0, 1]


def test_a_stage_runs_no_further_than_one_frame_ahead(made):
    """What cannot leave holds up the rest, so memory is bounded."""
    runtime, may_leave = Watched(), threading.Event()
    out = Neighbours(lambda _: may_leave.wait(SECONDS))
    compute, inbox = compute_of(made, runtime, out, 5)
    serving = threading.Thread(target=compute.serve, args=(lambda: not len(inbox),))
    serving.start()
    runtime.until(2)
    ahead = threading.Event().wait(0.1) or len(runtime.runs)
    may_leave.set()
    serving.join()

    assert ahead == 2
    assert out.results == [0, 1, 2, 3, 4]


def test_no_memory_for_a_result_ends_the_stage(made):
    """Also where it leaves aside; its client is told, and the main thread raises it."""
    out = Neighbours()

    def forward(*_, **__):
        raise MemoryError("no more")

    out.forward = forward
    compute, _ = compute_of(made, Watched(), out, 2)

    with pytest.raises(MemoryError):
        compute.serve(lambda: False)

    assert out.answers[0] == (0, "worker.out_of_memory")
    assert 0 in out.released


def test_a_stage_whose_end_is_due_runs_nothing_more(made):
    """What leaves is waited for; what waits in the inbox stays with who sent it."""
    runtime, over = Watched(), threading.Event()
    out = Neighbours(lambda place: place == 1 and over.wait(1))
    compute, inbox = compute_of(made, runtime, out, 6)

    def finished():
        if len(runtime.runs) < 2:
            return False
        over.set()
        return True

    compute.serve(finished)

    assert (len(runtime.runs), out.results, len(inbox)) == (2, [0, 1], 4)


def test_no_memory_to_wake_the_main_thread_leaves_nobody_waiting():
    """The next ones leave, or whoever gives them is told; nothing is held for ever."""
    outbound, failures = Outbound(), []

    def wake():
        raise MemoryError("no more")

    departures = Departures(outbound, failures.append, wake)
    tick = outbound.tick

    def tick_and_another_asks():
        tick()
        outbound.tick = tick
        departures.tick()

    outbound.tick = tick_and_another_asks
    departures.leave(lambda: outbound.take(0), aside=True)

    def more():
        for number in (1, 2):
            departures.leave(lambda number=number: outbound.take(number), aside=True)
        departures.leave(lambda: None, aside=False)

    giver = threading.Thread(target=more, daemon=True)
    giver.start()
    giver.join(SECONDS)
    departures.close()

    assert outbound.left == [0, 1, 2]
    assert not giver.is_alive()


def test_a_frame_that_waits_to_leave_is_in_a_queue_again(made):
    """Not encoded all the while: what limits a pipeline is told by where frames are worked at."""
    runtime, may_leave, results = Watched(), threading.Event(), []
    out = Neighbours(lambda _: may_leave.wait(SECONDS))
    forward = out.forward
    out.forward = lambda frame, *args, **named: results.append(frame) or forward(frame, *args)
    compute, inbox = compute_of(made, runtime, out, 2)
    serving = threading.Thread(target=compute.serve, args=(lambda: not len(inbox),))
    serving.start()
    runtime.until(2)
    allowed = time.monotonic_ns()
    may_leave.set()
    serving.join()
    first, second = (timings.entries(dict(frame.meta))[-1] for frame in results)

    assert first.finished <= first.leaving <= first.sent
    assert second.run < allowed < second.leaving
    assert second.finished + second.waited == second.leaving <= second.sent
