"""Frames flow: answers are right, in order and accounted for, whatever the pace."""

import threading
from itertools import chain, repeat

import numpy as np
import pytest

from wire.errors import TensorSpecError
from wire.hop import sender as hop_sender
from wire.tensors import TensorSpec


def values(answers):
    """Return the first element of each answer, None where it failed."""
    return [None if a.error else float(a["x"][0]) for a in answers]


@pytest.mark.parametrize("stages", [1, 2, 3])
def test_answers_are_right_and_in_order(fleet, tools, stages):
    """Every frame comes back once, in order, having passed every stage."""
    runtimes = [tools.Scripted(lambda arrays: {"x": arrays["x"] * 2}) for _ in range(stages)]
    route, _ = fleet.chain(*runtimes)

    answers, stream = fleet.client(route).answers(tools.numbered(40))

    assert values(answers) == [n * 2**stages for n in range(40)]
    assert [answer.sequence for answer in answers] == list(range(40))
    assert [[t.stage for t in answer.timings] for answer in answers] == [list(range(stages))] * 40
    assert (stream.accounting.results, stream.accounting.in_flight) == (40, 0)


def test_identity_runtime_serves_as_assigned(fleet, tools):
    """A worker that opens the assignment's runtime itself answers with the inputs."""
    route, workers = fleet.chain(None, None)

    answers, _ = fleet.client(route).answers(tools.numbered(5))

    assert values(answers) == [0, 1, 2, 3, 4]
    tools.eventually(lambda: [worker.counts.run for worker in workers] == [5, 5])


def test_tensors_survive_bit_for_bit(fleet, tools):
    """Element types, empty arrays, scalars and large arrays come back as they went."""
    arrays = {
        "a": np.arange(70_000, dtype=np.uint8).reshape(7, -1),
        "b": np.array(True),
        "c": np.zeros((0, 4), np.int64),
        "d": np.array([np.nan, np.inf, -0.0], np.float16),
    }
    shapes = {name: array.shape for name, array in arrays.items()}
    numbers = {"a": 2, "b": 9, "c": 7, "d": 10}
    specs = tuple(TensorSpec(name=n, dtype=numbers[n], shape=s) for n, s in shapes.items())
    route, _ = fleet.chain(None, None, contracts=[tools.contract(specs)] * 2)

    (answer,), _ = fleet.client(route).answers([arrays])

    assert {n: (a.dtype, a.shape, a.tobytes()) for n, a in answer.tensors.items()} == {
        n: (a.dtype, a.shape, a.tobytes()) for n, a in arrays.items()
    }


def test_a_slow_stage_holds_back_those_before_it(fleet, tools):
    """Credit bounds what waits: a stage never holds more than its window, and none is refused."""
    slow = tools.Scripted(gated=True)
    route, (first, second) = fleet.chain(None, slow, limits=(2, 1 << 20))
    client = fleet.client(route)
    stream = client.stream(window=32)
    most = []

    with tools.balanced(stream):
        for inputs in tools.numbered(20):
            stream.submit(inputs)
        for _ in range(20):
            tools.eventually(lambda: stream.wait(0.005) or second.counts.received)
            most.append(second.serving.snapshot().queued_frames)
            slow.allow()
        while not stream.finished:
            stream.wait(0.1)
            assert all(answer.error is None for answer in stream.take())

    assert max(most) <= 2
    assert stream.accounting.results == 20
    assert (first.counts.refused, second.counts.refused) == ({}, {})


def test_the_clients_window_is_kept(fleet, tools):
    """Never more than `window` frames are in the pipeline or wait to be taken."""
    gated = tools.Scripted(gated=True)
    route, _ = fleet.chain(gated)
    stream = fleet.client(route).stream(window=3)
    asked = []

    def source():
        for inputs in tools.numbered(10):
            asked.append(len(asked))
            yield inputs

    answers = stream.run(source(), None)
    threading.Thread(target=lambda: [gated.allow() for _ in range(10)]).start()
    leads = [len(asked) - taken for taken, _ in enumerate(answers)]

    assert len(leads) == 10
    assert max(leads) <= 3


def test_a_frame_larger_than_the_shared_window_still_flows(fleet, tools):
    """Byte credit never stops a frame that the stage takes: one at a time goes."""
    route, workers = fleet.chain(None, limits=(4, 300_000))

    answers, _ = fleet.client(route).answers(
        [{"x": np.full(60_000, n, np.float32)} for n in range(4)]
    )

    assert values(answers) == [0, 1, 2, 3]
    assert workers[0].counts.refused == {}


@pytest.mark.parametrize("most", ["inbox", "frame"])
def test_a_frame_that_is_too_large_ends_at_once(fleet, tools, most):
    """Larger than the inbox or than a frame may be: its own error, and the next frame flows."""
    limits = (4, 20_000 if most == "inbox" else 1 << 20)
    most_bytes = 20_000 if most == "frame" else 1 << 20
    route, _ = fleet.chain(None, limits=limits, max_frame_bytes=most_bytes)
    sizes = [3, 10_000, 3]

    answers, stream = fleet.client(route).answers(
        [{"x": np.full(size, 7, np.float32)} for size in sizes]
    )

    assert values(answers) == [7, None, 7]
    assert answers[1].error.reason == "frame.too_large"
    assert stream.accounting.lost == 0


def test_a_result_too_large_for_the_next_stage_is_an_error(fleet, tools):
    """What a stage makes may be more than the next takes: that frame ends, and says so."""
    grow = tools.Scripted(lambda arrays: {"x": np.tile(arrays["x"], 10_000)})
    route, _ = fleet.chain(grow, None, limits=(4, 20_000))

    answers, stream = fleet.client(route).answers([{"x": np.ones(3, np.float32)}] * 2, window=1)

    assert [a.error.reason for a in answers] == ["frame.too_large"] * 2
    assert answers[0].error.where == "d0"
    assert stream.accounting.lost == 0


def test_inputs_that_the_pipeline_does_not_take_are_never_sent(fleet, tools):
    """The caller's mistake is raised to the caller; nothing is submitted."""
    route, (worker,) = fleet.chain(None)
    stream = fleet.client(route).stream()

    with pytest.raises(TensorSpecError, match="float64"):
        stream.submit({"x": np.ones(3)})

    assert stream.accounting.submitted == 0
    assert worker.counts.received == 0


def test_two_clients_at_once_get_their_own_answers(fleet, tools):
    """Streams share the window, and no answer goes to the wrong client."""
    route, (worker,) = fleet.chain(tools.Scripted(lambda a: {"x": a["x"] + 1}), limits=(4, 1 << 20))
    got = {}

    def use(name, offset):
        frames = ({"x": np.full(2, offset + n, np.float32)} for n in range(30))
        got[name], _ = fleet.client(route, name).answers(frames)

    threads = [threading.Thread(target=use, args=(f"client-{i}", 1000 * i)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert values(got["client-0"]) == [n + 1 for n in range(30)]
    assert values(got["client-1"]) == [1000 + n + 1 for n in range(30)]
    assert worker.counts.refused == {}


def test_a_client_that_vanishes_blocks_nobody(fleet, tools):
    """Results for someone who is gone are sent into the void; the others' frames flow."""
    route, (worker,) = fleet.chain(None, limits=(2, 1 << 20))
    gone = fleet.client(route, "gone")
    stream = gone.stream()
    for inputs in tools.numbered(3):
        stream.submit(inputs)
    tools.eventually(lambda: stream.wait(0.005) or worker.counts.received)
    gone.link.close()

    answers, _ = fleet.client(route, "here").answers(tools.numbered(20))

    assert values(answers) == list(range(20))


def test_streams_follow_one_another_on_one_connection(fleet, tools):
    """A second stream begins at sequence 0 again and is not taken for the first."""
    route, _ = fleet.chain(None)
    client = fleet.client(route)

    first, _ = client.answers(tools.numbered(5))
    second, _ = client.answers(tools.numbered(5))

    assert values(first) == values(second) == list(range(5))


def test_tensors_that_a_stage_only_passes_on_arrive(fleet, tools):
    """An output that is ready early and an input that is needed late travel through the middle."""
    x, late, early, y = (TensorSpec(name=n, dtype=1, shape=(2,)) for n in ("x", "late", "e", "y"))
    head = tools.contract((x, late), sends=(early, x, late), inputs=(x,), outputs=(early, x))
    body = tools.contract((early, x, late), sends=(early, x, late), inputs=(x,), outputs=(x,))
    tail = tools.contract((early, x, late), sends=(y, early), inputs=(x, late), outputs=(y,))
    runtimes = [
        tools.Scripted(lambda a: {"e": a["x"] * 10, "x": a["x"] + 1}),
        tools.Scripted(lambda a: {"x": a["x"] + 1}),
        tools.Scripted(lambda a: {"y": a["x"] + a["late"]}),
    ]
    route, _ = fleet.chain(*runtimes, contracts=[head, body, tail])
    inputs = {"x": np.array([1, 2], np.float32), "late": np.array([5, 5], np.float32)}

    (answer,), _ = fleet.client(route).answers([inputs])

    assert {n: a.tolist() for n, a in answer.tensors.items()} == {"y": [8, 9], "e": [10, 20]}
    assert [sorted(runtime.runs[0]) for runtime in runtimes] == [["x"], ["x"], ["late", "x"]]


def test_many_frames_with_a_small_window_and_inbox(fleet, tools):
    """The tightest limits slow the flow and never stop it."""
    route, workers = fleet.chain(None, None, None, limits=(1, 1 << 16))

    answers, stream = fleet.client(route).answers(tools.numbered(50), window=1)

    assert values(answers) == list(range(50))
    tools.eventually(lambda: [worker.counts.sent for worker in workers] == [50, 50, 50])
    assert stream.accounting.late == 0


def test_sizes_may_change_from_frame_to_frame(fleet, tools):
    """A named dimension takes any size."""
    route, _ = fleet.chain(None)
    frames = [{"x": np.ones(size, np.float32)} for size in chain((1, 500, 2), repeat(9, 3))]

    answers, _ = fleet.client(route).answers(frames)

    assert [answer["x"].size for answer in answers] == [1, 500, 2, 9, 9, 9]


def test_who_ends_does_not_wait_for_who_has_ended(fleet, tools, monkeypatch):
    """The next stage drains first, and says what it has finished: nothing is left to wait for."""
    monkeypatch.setattr(hop_sender, "SILENCE_SECONDS", 1000.0)  # none is taken for its word
    route, (first, second) = fleet.chain(None, None)
    answers, _ = fleet.client(route).answers(tools.numbered(3))
    second.drain()

    assert values(answers) == [0, 1, 2]
    tools.eventually(lambda: first.serving._outbound.settled)


def test_a_hundred_clients_at_one_entry(fleet, tools):
    """More than the window has frames: each gets its own answers, none is refused or forgotten."""
    route, (worker,) = fleet.chain(None, limits=(16, 1 << 20))
    streams = [fleet.client(route, f"client-{number}").stream() for number in range(100)]
    frames = [{"x": np.full(2, number, np.float32)} for number in range(100)]
    got = [[] for _ in streams]
    for _ in range(3):
        for stream, inputs in zip(streams, frames, strict=True):
            stream.submit(inputs)
    while not all(stream.finished for stream in streams):
        for number, stream in enumerate(streams):
            stream.pump()
            got[number] += stream.take()

    assert [values(answers) for answers in got] == [[number] * 3 for number in range(100)]
    assert worker.counts.refused == {}
    tools.eventually(lambda: (worker.counts.received, worker.counts.run) == (300, 300))
