"""A stage's own life: the golden frame, real segments in a chain, and the drain at its end."""

import itertools
import time

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from agent.channel import BrokerAccess, Load
from agent.errors import RuntimeOpenError
from agent.worker import serving
from agent.worker.serving import Serving
from agent.worker.stage import Stage
from agent.worker.warmup import GoldenFrameError
from fleet.control import assignments as placing
from fleet.formats import CutRequest
from fleet.split import split
from wire.tensors import TensorSpec


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A small model with an output that is ready early and an input that is needed late."""
    random = np.random.default_rng(7)
    weights = [
        numpy_helper.from_array(random.standard_normal((8, 8)).astype(np.float32), f"w{i}")
        for i in range(3)
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w0"], ["a"]),
            helper.make_node("Relu", ["a"], ["early"]),
            helper.make_node("MatMul", ["early", "w1"], ["b"]),
            helper.make_node("Tanh", ["b"], ["c"]),
            helper.make_node("MatMul", ["c", "w2"], ["d"]),
            helper.make_node("Add", ["d", "late"], ["y"]),
        ],
        "g",
        [value("x", TensorProto.FLOAT, ["N", 8]), value("late", TensorProto.FLOAT, ["N", 8])],
        [value("y", TensorProto.FLOAT, ["N", 8]), value("early", TensorProto.FLOAT, ["N", 8])],
        weights,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path = tmp_path_factory.mktemp("model") / "small.onnx"
    onnx.save(made, path)
    return path


@pytest.fixture(scope="module")
def pipeline(model):
    """The model cut into three segments; returns its folder and manifest."""
    folder = model.parent / "cut"
    return folder, split(model, folder, CutRequest(stages=3, balance="flops"))


def placed(pipeline):
    """Return folder, assignments and route of the pipeline on three devices."""
    folder, manifest = pipeline
    devices = ["d0", "d1", "d2"]
    route = placing.route(manifest, "p", 1, 1, devices)
    return folder / "segments", placing.assignments(manifest, "p", 1, devices), route


def test_a_split_model_answers_as_the_whole(fleet, tools, model, pipeline):
    """Three real segments, warmed with their golden frames, give the whole model's outputs."""
    folder, assignments, route = placed(pipeline)
    workers = [
        fleet.worker(each, f"d{each.stage}", folder=folder / each.segment) for each in assignments
    ]
    gaps = [worker.serving.warm_up() for worker in workers]
    whole = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    random = np.random.default_rng(1)
    frames = [
        {name: random.standard_normal((rows, 8)).astype(np.float32) for name in ("x", "late")}
        for rows in (1, 3, 1, 5, 2)
    ]

    answers, stream = fleet.client(route).answers(frames)

    assert max(gaps) < 1e-4
    for inputs, answer in zip(frames, answers, strict=True):
        wanted = dict(zip(("y", "early"), whole.run(["y", "early"], inputs), strict=True))
        assert set(answer.tensors) == set(wanted)
        for name, array in wanted.items():
            np.testing.assert_allclose(answer[name], array, rtol=1e-4, atol=1e-5)
    assert stream.accounting.results == 5


def made_serving(fleet, assignment, folder):
    """Return a stage that is loaded and not yet open."""
    order = Load(
        device="d0", site="default", root="paceline", assignment=assignment, folder=folder,
        broker=BrokerAccess(url="mqtt://nowhere"), threads=1, weights="mapped", inbox_frames=1,
        inbox_bytes=1 << 16, max_frame_bytes=1 << 16,
    )  # fmt: skip
    return Serving(Stage("d0", fleet.site, assignment, 1, "c"), order, fleet.link("d0.p"))


def test_a_segment_that_differs_from_its_golden_frame_never_serves(fleet, pipeline, tmp_path):
    """Weights that are not those the golden frame was made with are found when warming."""
    folder, (first, *_), _ = placed(pipeline)
    for file in (folder / first.segment).iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    damaged = onnx.load(tmp_path / "segment.onnx", load_external_data=False)
    for tensor in damaged.graph.initializer:
        if tensor.raw_data:
            tensor.raw_data = bytes(len(tensor.raw_data))
    onnx.save(damaged, tmp_path / "segment.onnx")
    weights = tmp_path / "weights.bin"
    weights.write_bytes(bytes(weights.stat().st_size))
    serving = made_serving(fleet, first, tmp_path)

    with pytest.raises(GoldenFrameError, match="elements differ by up to"):
        serving.warm_up()


@pytest.mark.parametrize(
    ("side", "spec", "problem"),
    [
        ("inputs", TensorSpec(name="z", dtype=1, shape=(1,)), "no tensor 'z'"),
        ("outputs", TensorSpec(name="early", dtype=7, shape=("N", 8)), "'early' is float32"),
    ],
)
def test_a_segment_that_is_not_as_assigned_is_not_opened(fleet, pipeline, side, spec, problem):
    """The segment's own graph must have the tensors that the assignment says."""
    import msgspec

    folder, (first, *_), _ = placed(pipeline)
    contract = msgspec.structs.replace(first.contract, **{side: (spec,)})
    wrong = msgspec.structs.replace(first, contract=contract)

    with pytest.raises(RuntimeOpenError, match=problem):
        made_serving(fleet, wrong, folder / first.segment)


def test_draining_finishes_what_is_there(fleet, tools):
    """Told to close, a stage answers everything it took, then gives link and runtime back."""
    gated = tools.Scripted(gated=True)
    route, (worker,) = fleet.chain(gated)
    stream = fleet.client(route).stream()
    for inputs in tools.numbered(5):
        stream.submit(inputs)
    tools.eventually(lambda: stream.wait(0.005) or worker.counts.received == 5)

    worker._closing.set()
    gated.allow(5)
    answers = []
    while not stream.finished:
        stream.wait(0.1)
        answers += stream.take()
    worker.join()

    assert [float(answer["x"][0]) for answer in answers] == [0, 1, 2, 3, 4]
    assert (gated.closed, worker.link.up) == (True, False)


@pytest.mark.parametrize(("slow", "seconds"), [(0, 1.2), (1, 0.4)])
def test_a_generation_that_is_replaced_finishes_all_it_took(fleet, tools, slow, seconds):
    """All its stages are told at once; each takes what the one before it still sends.

    The work that is left takes longer than a client is waited for.
    """

    def run(arrays):
        time.sleep(seconds)
        return arrays

    runtimes = [None, None]
    runtimes[slow] = tools.Scripted(run)
    old_route, old = fleet.chain(*runtimes)
    new_route, _ = fleet.chain(None, None, generation=2)
    client = fleet.client(old_route)
    stream = client.stream()
    for inputs in tools.numbered(4):
        stream.submit(inputs)
    tools.eventually(lambda: stream.wait(0.005) or old[0].counts.received == 4)
    client.route = new_route
    for worker in old:
        worker._closing.set()
    answers = []
    while not stream.finished:
        stream.wait(0.1)
        answers += stream.take()
    for worker in old:
        worker.join()

    assert [answer.error for answer in answers] == [None] * 4
    assert [worker.counts.run for worker in old] == [4, 4]


@pytest.mark.parametrize("stage", [0, 1])
def test_frames_wait_for_a_stage_that_comes_back(fleet, tools, stage, monkeypatch):
    """Told to close while its neighbour stays, it gets nothing more, and its successor the rest."""
    monkeypatch.setattr(serving, "LAST_CALL_SECONDS", 0.5)
    route, workers = fleet.chain(None, None, limits=(3, 1 << 16))
    client = fleet.client(route)
    stream = client.stream(window=3)
    count, answers = itertools.count(), []

    def feed(until):
        while not until():
            if stream.room:
                next(count)
                stream.submit({"x": np.ones(3, np.float32)})
            stream.wait(0.02)
            answers.extend(stream.take())

    feed(lambda: len(answers) > 20)
    workers[stage]._closing.set()
    feed(lambda: not workers[stage]._thread.is_alive())
    stage_of = workers[stage].serving._stage
    fleet.worker(stage_of.assignment, stage_of.device, limits=(3, 1 << 16))
    after = len(answers) + 20
    feed(lambda: len(answers) > after)
    while not stream.finished:
        stream.wait(0.1)
        answers.extend(stream.take())

    assert [answer.error for answer in answers] == [None] * next(count)
    assert [worker.counts.errors for worker in fleet.workers] == [{}] * 3


def test_a_stage_that_is_drained_before_its_successor(fleet, tools):
    """It waits until the next stage has finished all it was sent."""
    gated = tools.Scripted(gated=True)
    route, (first, second) = fleet.chain(None, gated)
    stream = fleet.client(route).stream()
    for inputs in tools.numbered(2):
        stream.submit(inputs)
    tools.eventually(lambda: stream.wait(0.005) or second.counts.received == 2)

    settled_while_running = first.serving._outbound.settled
    gated.allow(2)
    tools.eventually(lambda: first.serving._outbound.settled)

    assert not settled_while_running
    tools.eventually(lambda: second.counts.run == 2)


def without_credit(fleet, tools):
    """Return two stages whose second does nothing, the first with what it cannot hand on."""
    ran, stuck = tools.Scripted(), tools.Scripted(gated=True)
    route, (first, _) = fleet.chain(ran, stuck, limits=(2, 1 << 16))
    stream = fleet.client(route).stream()
    for inputs in tools.numbered(4):
        stream.submit(inputs)
    tools.eventually(lambda: stream.wait(0.005) or first.counts.received == 4)
    tools.eventually(lambda: len(ran.runs) >= 3)  # the last one where the one before leaves beside
    return first, stuck, stream


def rest(stream):
    """Return the answers that still come, as their first numbers."""
    answers = []
    while not stream.finished:
        stream.wait(0.1)
        answers += stream.take()
    return [float(answer["x"][0]) for answer in answers]


def test_an_order_to_close_is_heard_while_frames_wait_for_credit(fleet, tools):
    """Clients are told at once to send nothing more, and what is here is finished."""
    first, stuck, stream = without_credit(fleet, tools)

    first._closing.set()
    tools.eventually(lambda: first.serving._intake.closed)
    runs_before_credit = len(stuck.runs)
    stuck.allow(4)

    assert rest(stream) == [0, 1, 2, 3]
    first.join()
    assert runs_before_credit == 1


def test_a_stage_ends_when_told_though_credit_never_comes(fleet, tools, monkeypatch):
    """What it could not hand on, its sender gives to who comes in its place."""
    monkeypatch.setattr(serving, "DRAIN_SECONDS", 0.3)
    first, stuck, stream = without_credit(fleet, tools)

    first._closing.set()
    first.join()
    runs_before_credit = len(stuck.runs)
    stage = first.serving._stage
    fleet.worker(stage.assignment, stage.device, limits=(2, 1 << 16))
    stuck.allow(1000)

    assert rest(stream) == [0, 1, 2, 3]
    assert runs_before_credit == 1


def test_counts_and_timings_of_a_stage(fleet, tools):
    """Every step of every frame is counted once."""
    route, (worker,) = fleet.chain(None)

    fleet.client(route).answers(tools.numbered(6))
    tools.eventually(lambda: worker.counts.run == 6)
    snapshot = worker.serving.snapshot()

    assert (snapshot.pipeline, snapshot.generation, snapshot.stage) == ("p", 1, 0)
    assert (snapshot.counts.received, snapshot.counts.sent) == (6, 6)
    assert set(snapshot.histograms) == {"queue", "decode", "run", "encode", "send"}
    assert snapshot.suspect == ()
