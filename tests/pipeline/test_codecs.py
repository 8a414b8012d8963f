"""Codecs between real segments: frames become smaller, answers stay near and are plain."""

import msgspec
import numpy as np
import pytest

from agent.opening import checked_model
from agent.runtimes import RuntimeOptions
from agent.runtimes.onnx_cpu import OnnxCpuRuntime
from fleet.control import assignments
from fleet.split_folder import segment_folder
from tests.system.chains import Chain
from wire import codecs
from wire.frame import Frame, Kind
from wire.messages import Transfer

SHAPE = (16, 256)
FRAME_BYTES = 16 * 256 * 4


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    """Return a model in three segments."""
    rows, width = SHAPE
    return Chain(tmp_path_factory.mktemp("split"), 3, rows=rows, width=width)


def served(fleet, split, entry, between):
    """Serve the segments with those codecs; returns the route and the workers."""
    manifest, devices = split.manifest, ("d0", "d1", "d2")
    made = assignments.assignments(manifest, "p", 1, devices)
    workers = []
    for stage, (assignment, codec) in enumerate(zip(made, (*between, "raw"), strict=True)):
        folder = segment_folder(split.folder, manifest.segments[stage])
        runtime = OnnxCpuRuntime.open(checked_model(folder), RuntimeOptions())
        ordered = msgspec.structs.replace(assignment, transfer=Transfer(codec=codec))
        workers.append(fleet.worker(ordered, devices[stage], runtime))
    route = assignments.route(manifest, "p", 1, 1, devices)
    return msgspec.structs.replace(route, codec=entry), workers


@pytest.mark.parametrize(
    ("entry", "between", "off", "most_bytes"),
    [
        ("raw", ("raw", "raw"), 1e-5, (1.1, 1.1, 1.1)),
        ("raw", ("fp16", "fp16"), 1e-3, (1.1, 0.6, 0.6)),
        ("raw", ("int8_channel", "int8_channel"), 2e-2, (1.1, 0.35, 0.35)),
        ("fp16+zstd", ("int8_token+zstd", "raw"), 2e-2, (0.6, 0.35, 1.1)),
    ],
    ids=["raw", "fp16", "int8_channel", "one for each edge"],
)
def test_answers_stay_near(fleet, split, entry, between, off, most_bytes):
    """Each edge has its codec, and carries so much less; what comes back is near enough."""
    route, workers = served(fleet, split, entry, between)

    answers, stream = fleet.client(route).answers(split.inputs(n) for n in range(8))

    assert (stream.accounting.results, stream.accounting.in_flight) == (8, 0)
    for number, answer in enumerate(answers):
        expected = split.expected(number)
        apart = np.linalg.norm(answer["y"] - expected) / np.linalg.norm(expected)
        assert answer["y"].dtype == np.float32
        assert apart <= off
    sizes = [worker.counts.received_bytes / 8 / FRAME_BYTES for worker in workers]
    assert all(size < most for size, most in zip(sizes, most_bytes, strict=True)), sizes


def test_a_client_may_choose_another_codec(fleet, split):
    """What it says wins over the route, frame by frame: a frame names its own codec."""
    route, workers = served(fleet, split, "fp16", ("raw", "raw"))

    (answer,), _ = fleet.client(route).answers([split.inputs(0)], codec="int8_channel")

    assert answer["y"].shape == SHAPE
    assert workers[0].counts.received_bytes < 0.4 * FRAME_BYTES


def test_results_are_raw(fleet, split):
    """A client needs no codec to read its answer."""
    served(fleet, split, "raw", ("int8_channel", "int8_channel"))
    stranger = fleet.stranger()
    sent = Frame(
        Kind.DATA, 77, 0, generation=1,
        meta=codecs.meta({}, "fp16"), tensors=codecs.tensors(split.inputs(0), "fp16"),
    )  # fmt: skip
    stranger.send_frame(fleet.lane(), sent)
    result = stranger.hears(Kind.RESULT)

    assert codecs.KEY not in result.meta
    assert result.tensors[0].data.nbytes == FRAME_BYTES
