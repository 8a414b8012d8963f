"""Frames that wait run at once where the segment allows it, and part again."""

import msgspec
import numpy as np
import pytest

from agent.errors import RuntimeFailedError
from wire.messages import Batching
from wire.tensors import TensorSpec

ROWS = TensorSpec(name="x", dtype=1, shape=("batch", 2))
FIXED = TensorSpec(name="x", dtype=1, shape=(1, 2))


def values(answers):
    """Return what came back."""
    return [answer["x"].tolist() for answer in answers]


def stage(fleet, tools, function, spec=ROWS, **batching):
    """Start one stage that batches."""
    gated = tools.Scripted(function, gated=True)
    agreed = tools.contract((spec,))
    assignment = msgspec.structs.replace(
        tools.chain_assignment(0, 1, agreed), batching=Batching(**batching)
    )
    worker = fleet.worker(assignment, "d0", gated)
    return gated, worker, fleet.client(fleet.route_of(agreed))


def answered(tools, client, gated, frames, waiting):
    """Submit frames, let the first run while the others come, and return the answers."""
    stream = client.stream(window=16)
    for inputs in frames:
        stream.submit(inputs)
    tools.eventually(lambda: stream.wait(0.002) or waiting(len(frames)))
    gated.allow(100)
    answers = []
    while not stream.finished:
        stream.wait(0.1)
        answers.extend(stream.take())
    stream.close()
    return answers


def rows(*counts):
    """Return one frame for each count, with so many rows of its own number."""
    return [{"x": np.full((n, 2), i, np.float32)} for i, n in enumerate(counts)]


@pytest.mark.parametrize("counts", [(1, 1, 1, 1, 1), (1, 2, 3, 1, 2)], ids=str)
def test_frames_that_wait_run_at_once(fleet, tools, counts):
    """Each gets its own rows back, however many it had; one call of the runtime for several."""
    gated, worker, client = stage(
        fleet, tools, lambda arrays: {"x": arrays["x"] + 10}, max_frames=8
    )
    frames = rows(*counts)

    answers = answered(tools, client, gated, frames, lambda n: worker.counts.received == n)

    assert values(answers) == [(frame["x"] + 10).tolist() for frame in frames]
    assert len(gated.runs) <= 2
    assert worker.counts.batches >= 1
    tools.eventually(lambda: worker.counts.run == len(counts))


def test_frames_of_other_shapes_run_apart(fleet, tools):
    """Neighbours alike run together, others on their own."""
    wide = TensorSpec(name="x", dtype=1, shape=("batch", "n"))
    gated, worker, client = stage(fleet, tools, lambda a: a, wide, max_frames=8)
    frames = [{"x": np.full((1, n), i, np.float32)} for i, n in enumerate((2, 3, 3, 4))]

    answers = answered(tools, client, gated, frames, lambda n: worker.counts.received == n)

    assert values(answers) == [frame["x"].tolist() for frame in frames]
    assert {run["x"].shape[1] for run in gated.runs} == {2, 3, 4}


def test_a_segment_of_fixed_size_is_never_batched(fleet, tools):
    """Its first dimension is a number: frames run one by one."""
    gated, worker, client = stage(fleet, tools, lambda a: a, FIXED, max_frames=8)

    answers = answered(tools, client, gated, rows(1, 1, 1), lambda n: worker.counts.received == n)

    assert len(values(answers)) == len(gated.runs) == 3
    assert worker.counts.batches == 0


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RuntimeFailedError("scripted", "no twos"), "runtime.failed"),
        (ValueError("no twos"), "internal"),
    ],
)
def test_one_bad_frame_of_a_batch_fails_alone(fleet, tools, error, code):
    """A run of several that fails is done again one by one."""

    def choosy(arrays):
        if (arrays["x"] == 2).any():
            raise error
        return arrays

    gated, worker, client = stage(fleet, tools, choosy, max_frames=8)

    answers = answered(
        tools, client, gated, rows(1, 1, 1, 1), lambda n: worker.counts.received == n
    )

    assert [answer.error is None for answer in answers] == [True, True, False, True]
    assert answers[2].error.reason == code


def test_outputs_that_do_not_keep_the_rows_are_not_mixed(fleet, tools):
    """A segment that adds its rows up is run frame by frame, though its contract names a batch."""
    gated, worker, client = stage(
        fleet, tools, lambda a: {"x": a["x"].sum(axis=0, keepdims=True)}, max_frames=8
    )
    frames = rows(1, 2, 3)

    answers = answered(tools, client, gated, frames, lambda n: worker.counts.received == n)

    assert values(answers) == [f["x"].sum(axis=0, keepdims=True).tolist() for f in frames]


def test_a_lone_frame_waits_no_longer_than_it_is_told(fleet, tools):
    """The others may never come."""
    gated, worker, client = stage(fleet, tools, lambda a: a, max_frames=8, max_wait_seconds=0.01)
    gated.allow(1)

    answers, _ = client.answers(rows(1))

    assert values(answers) == [[[0.0, 0.0]]]
    assert worker.counts.batches == 0
