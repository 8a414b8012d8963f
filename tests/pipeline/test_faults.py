"""What is lost, late or broken ends as what it is, and the rest flows."""

import itertools
import random
import time

import numpy as np
import pytest

from agent.errors import RuntimeFailedError
from wire import frame
from wire.frame import Kind
from wire.messages import RouteStage
from wire.topics import Lane


def reasons(answers):
    """Return why each answer failed, None where it did not."""
    return [answer.error.reason if answer.error else None for answer in answers]


def every(count, *addresses):
    """Return what loses every ``count``-th frame to these addresses."""
    seen = itertools.count(1)
    return lambda address: address in addresses and next(seen) % count == 0


def finish(stream, kept):
    """Wait until every frame has ended; answers go to ``kept``."""
    while not stream.finished:
        stream.wait(0.1)
        kept.extend(stream.take())


def places(fleet, client, workers):
    """Return the link and address of each hop of two stages."""
    out = fleet.site.topic("out", pipeline="p", client="client-a")
    return {
        "to the entry": (client.link, fleet.lane(0)),
        "between stages": (workers[0].link, fleet.lane(1)),
        "to the client": (workers[1].link, out),
    }


HOPS = ["to the entry", "between stages", "to the client"]


@pytest.mark.parametrize("where", HOPS)
def test_frames_that_the_link_loses_are_sent_again(fleet, tools, where):
    """Every loss is found, on whichever hop, and its sender still has the frame."""
    route, workers = fleet.chain(tools.Scripted(), tools.Scripted())
    client = fleet.client(route)
    link, address = places(fleet, client, workers)[where]
    lose, lost = every(4, address), []
    link.lose = lambda to: lose(to) and not lost.append(to)

    answers, stream = client.answers(tools.numbered(16))

    assert len(lost) >= 3
    assert [int(answer["x"][0]) for answer in answers] == list(range(16))
    assert [len(worker.runtime.runs) for worker in workers] == [16, 16]
    assert (stream.accounting.lost, stream.accounting.late) == (0, 0)


@pytest.mark.parametrize("where", HOPS)
def test_a_frame_that_is_lost_again_and_again_ends_as_link_lost(fleet, tools, where):
    """Its client is told; the others pass."""
    route, workers = fleet.chain(None, None)
    client = fleet.client(route)
    link, address = places(fleet, client, workers)[where]
    send = link.send

    def losing(to, buffers):
        head = frame.decode_head(buffers[0])
        if not (to == address and head.sequence == 2 and head.kind in (Kind.DATA, Kind.RESULT)):
            send(to, buffers)

    link.send = losing
    answers, stream = client.answers(tools.numbered(5))

    assert reasons(answers) == [None, None, "link.lost", None, None]
    assert stream.accounting.lost == 0


def test_the_very_last_frame_is_missed_too(fleet, tools):
    """Nothing follows it that would show the gap: a probe finds it, and it is sent again."""
    route, _ = fleet.chain(None)
    client = fleet.client(route)
    client.answers(tools.numbered(1))
    client.link.lose = every(1, fleet.lane(0))
    stream = client.stream()

    stream.submit({"x": np.ones(3, np.float32)})
    client.link.lose = lambda _: False
    answers = []
    finish(stream, answers)

    assert reasons(answers) == [None]


def test_lost_grants_only_delay(fleet, tools):
    """A grant says everything again, so losing every other one loses nothing."""
    route, workers = fleet.chain(None, None, limits=(2, 1 << 16))
    workers[0].link.lose = every(2, fleet.site.topic("client_credit", pipeline="p", client="c"))
    workers[1].link.lose = every(2, fleet.site.credit("d0", "p", Lane(1, 0)))

    answers, stream = fleet.client(route, "c").answers(tools.numbered(12))

    assert reasons(answers) == [None] * 12
    assert stream.accounting.late == 0


def test_a_link_that_loses_a_fifth_of_everything(fleet, tools):
    """Frames, grants and probes lost at random: nearly all is answered, and all is explained."""
    route, workers = fleet.chain(None, None)
    client = fleet.client(route)
    for number, link in enumerate([client.link, *(worker.link for worker in workers)]):
        dice = random.Random(number)
        link.lose = lambda _, dice=dice: dice.random() < 0.2

    answers, stream = client.answers(tools.numbered(20))

    assert len(answers) == 20
    assert reasons(answers).count(None) >= 16
    assert set(reasons(answers)) <= {None, "link.lost"}
    assert stream.accounting.lost == 0


@pytest.mark.parametrize("stage", [0, 1])
def test_a_worker_that_is_replaced(fleet, tools, stage):
    """What the dead one held goes to its successor: every frame has its answer."""
    gated = tools.Scripted(gated=True)
    runtimes = [None, None]
    runtimes[stage] = gated
    route, workers = fleet.chain(*runtimes, limits=(3, 1 << 16))
    client = fleet.client(route)
    stream = client.stream(window=10)
    answers = []

    with tools.balanced(stream):
        for inputs in tools.numbered(10):
            stream.submit(inputs)
        tools.eventually(lambda: stream.wait(0.005) or workers[stage].counts.received == 3)
        workers[stage].kill()
        assignment = tools.chain_assignment(stage, 2, tools.contract())
        fleet.worker(assignment, f"d{stage}", limits=(3, 1 << 16))
        finish(stream, answers)

    assert reasons(answers) == [None] * 10
    assert (stream.accounting.lost, stream.accounting.late) == (0, 0)


def test_moving_the_route_loses_nothing(fleet, tools):
    """In mid-stream the entry moves to a new generation: every frame has its answer."""
    old_route, (old,) = fleet.chain(None)
    new_route, (new,) = fleet.chain(None, generation=2)
    client = fleet.client(old_route)

    def source():
        for number, inputs in enumerate(tools.numbered(20)):
            if number == 10:
                client.route = new_route
            yield inputs

    answers, stream = client.answers(source())

    assert reasons(answers) == [None] * 20
    tools.eventually(lambda: old.counts.run + new.counts.run == 20)
    assert min(old.counts.run, new.counts.run) > 0
    assert stream.accounting.late == 0


def test_frames_that_outlive_their_deadline_are_not_run(fleet, tools):
    """The client ends them in time; the stage refuses them when their turn comes, and says so."""
    gated = tools.Scripted(gated=True)
    route, (worker,) = fleet.chain(gated)
    stream = fleet.client(route).stream(deadline_seconds=3.0)
    answers = []

    with tools.balanced(stream):
        for inputs in tools.numbered(4):
            stream.submit(inputs)
        tools.eventually(lambda: stream.wait(0.002) or (worker.counts.received == 4 and gated.runs))
        over = time.monotonic() + 3.0  # at the stage, where theirs began when they came
        finish(stream, answers)
        unexplained = stream.accounting.lost
        time.sleep(max(0.0, over - time.monotonic()))
        gated.allow(4)
        stream.close()

    assert reasons(answers) == ["frame.deadline"] * 4
    assert unexplained == 4
    assert stream.accounting.lost == 0
    assert stream.accounting.late >= 4
    assert len(gated.runs) == 1
    assert worker.counts.refused["frame.deadline"] == 4, "the one that ran is not sent on, too"


def test_a_frame_that_waits_for_credit_until_its_deadline(fleet, tools):
    """A stage that cannot send on gives the frame up at its deadline and tells the client."""
    stuck = tools.Scripted(gated=True)
    route, (first, _) = fleet.chain(None, stuck, limits=(1, 1 << 16))
    stream = fleet.client(route).stream(deadline_seconds=2.0)
    answers = []

    for inputs in tools.numbered(3):
        stream.submit(inputs)
    finish(stream, answers)
    tools.eventually(lambda: first.counts.errors.get("frame.deadline"))
    stuck.allow(3)
    stream.close()

    assert reasons(answers) == ["frame.deadline"] * 3
    assert stream.accounting.lost == 0


def test_nobody_at_the_entry(fleet, tools):
    """Without a worker no frame leaves: each ends at its deadline, and the sum holds."""
    route, (worker,) = fleet.chain(None)
    worker.kill()
    stream = fleet.client(route).stream(window=2, deadline_seconds=0.1)

    with tools.balanced(stream):
        answers = list(stream.run(tools.numbered(4), None))

    assert reasons(answers) == ["frame.deadline"] * 4
    assert [answer.sent_ns for answer in answers] == [None] * 4
    assert stream.accounting.lost == 0


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RuntimeFailedError("scripted", "a kernel refused"), "runtime.failed"),
        (ZeroDivisionError("division by zero"), "internal"),
    ],
)
def test_a_failed_inference_fails_its_own_frame_alone(fleet, tools, error, code):
    """The answer is an error with the reason, never a made-up result, and the stage lives on."""

    def fail_on_two(arrays):
        if arrays["x"][0] == 2:
            raise error
        return arrays

    route, (worker,) = fleet.chain(tools.Scripted(fail_on_two))

    answers, stream = fleet.client(route).answers(tools.numbered(5))

    assert reasons(answers) == [None, None, code, None, None]
    assert answers[2].error.where == "d0"
    assert worker.counts.errors == {code: 1}
    assert stream.accounting.lost == 0


@pytest.mark.parametrize(
    ("outputs", "code"),
    [({}, "runtime.failed"), ({"x": np.array(["text"])}, "frame.wrong_tensors")],
    ids=["missing", "text"],
)
def test_outputs_that_cannot_go_on_are_errors(fleet, tools, outputs, code):
    """What did not come out is never replaced, not even by an input of the same name."""
    route, _ = fleet.chain(tools.Scripted(lambda _: outputs))

    answers, stream = fleet.client(route).answers(tools.numbered(2))

    assert reasons(answers) == [code, code]
    assert stream.accounting.lost == 0


def test_closing_a_stream_ends_what_is_in_flight(fleet, tools):
    """Nothing stays in flight for ever: what had no answer ends as client.closed."""
    gated = tools.Scripted(gated=True)
    route, _ = fleet.chain(gated)
    stream = fleet.client(route).stream()
    for inputs in tools.numbered(3):
        stream.submit(inputs)

    with tools.balanced(stream):
        stream.close()

    assert dict(stream.accounting.errors) == {"client.closed": 3}
    assert stream.accounting.in_flight == 0


def test_an_unknown_stage_of_the_route_is_no_crash(fleet, tools):
    """A route that points to a device without a worker ends frames by deadline only."""
    route, _ = fleet.chain(None)
    client = fleet.client(route)
    nowhere = RouteStage(stage=0, device="d9", segment="s", runtime="identity")
    client.route = type(route)(
        **{f: getattr(route, f) for f in route.__struct_fields__ if f != "stages"},
        stages=(nowhere,),
    )
    stream = client.stream(deadline_seconds=0.1)

    answers = list(stream.run(tools.numbered(2), None))

    assert reasons(answers) == ["frame.deadline"] * 2
