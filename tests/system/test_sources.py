"""`paceline run --source --sink` against real agents: folders, cameras, signals, full disks."""

import json
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from fleet.formats import CutRequest
from fleet.split import Presentation, split
from tests.fixtures import videos
from tests.fixtures.rtsp_camera import RtspCamera
from tests.system.place import PATIENCE_SECONDS, until
from wire.manifest import Picture

PICTURE = Picture(input="x", width=8, height=8, channels="L", scale=1.0)


@pytest.fixture(scope="module")
def looking(tmp_path_factory):
    """A model that takes pictures, in two segments: the mean grey."""
    folder = tmp_path_factory.mktemp("looking")
    nodes = [
        helper.make_node("Relu", ["x"], ["light"]),
        helper.make_node("GlobalAveragePool", ["light"], ["grey"]),
    ]
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, side, side])
        for name, side in (("x", 8), ("grey", 1))
    ]
    graph = helper.make_graph(nodes, "looking", values[:1], values[1:])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(made, folder / "looking.onnx")
    request = CutRequest(stages=2, balance="flops")
    shown = Presentation(name="p", preprocess=PICTURE)
    split(folder / "looking.onnx", folder / "split", request, shown)
    return folder / "split"


@pytest.fixture(scope="module")
def site(shared_place, looking):
    """Two agents that look."""
    shared_place.start("d1", "d2")
    shared_place.deploy(looking, "d1", "d2")
    return shared_place


class Run:
    """``paceline run`` in a process of its own, as a user starts it."""

    def __init__(self, place, *arguments, folder):
        command = [sys.executable, "-m", "paceline", "run", "p", *map(str, arguments)]
        self._process = subprocess.Popen(
            [*command, "--broker", place.broker.url], cwd=folder, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "HOME": str(folder)},
        )  # fmt: skip
        self.lines = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            self.lines.append(json.loads(line))

    def answered(self, count):
        """Wait for so many lines."""
        until(lambda: len(self.lines) >= count, lambda: f"{count} answers; {self.lines[-1:]}")

    def end(self, number=None):
        """Send a signal, and return the exit code and what was said aside."""
        if number is not None:
            self._process.send_signal(number)
        try:
            self._process.wait(PATIENCE_SECONDS)
        finally:
            self._process.kill()
            self._reader.join()
        with self._process.stderr as stderr:
            said = stderr.read()
        self._process.stdout.close()
        return self._process.returncode, said


def pictures(folder, count):
    """Write pictures; returns the folder."""
    folder.mkdir()
    for number in range(count):
        videos.picture(number).save(folder / f"{number:03d}.png")
    return folder


def test_a_folder_goes_through_to_a_folder(site, tmp_path):
    """Every picture has its file; what is broken has one too, and the exit code says so."""
    folder = pictures(tmp_path / "in", 9)
    (folder / "004.png").write_bytes(b"broken")
    run = Run(site, "--source", folder, "--sink", tmp_path / "out", "--json", folder=tmp_path)
    code, said = run.end()
    files = sorted((tmp_path / "out").iterdir())
    records = [json.loads(path.read_text()) for path in files]
    (summary,) = run.lines

    assert code == 1, said
    assert [path.name for path in files] == [f"{number:08d}.json" for number in range(9)]
    assert [record["source"] for record in records] == [f"{number:03d}.png" for number in range(9)]
    assert records[4]["error"]["code"] == "picture.unreadable"
    assert summary["skipped"] == {"picture.unreadable": 1}
    assert summary["account"]["results"] == 8 == summary["account"]["submitted"]
    means = [
        record["outputs"]["grey"]["values"][0][0][0][0] for record in records if "outputs" in record
    ]
    assert means == sorted(means)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_with_its_account(site, tmp_path, number):
    """What was submitted has its answer; the account is shown, the exit code is 130."""
    folder = pictures(tmp_path / "in", 5)
    run = Run(site, "--source", folder, "--follow", folder=tmp_path)
    run.answered(5)
    code, said = run.end(number)

    assert code == 130
    assert "5 submitted = 5 results + 0 errors + 0 drops + 0 in flight; lost: 0" in said
    assert [line["source"] for line in run.lines] == [f"{number:03d}.png" for number in range(5)]


def test_a_camera_that_drops_its_stream_goes_on_to_a_topic(site, tmp_path):
    """Answers are heard by whoever subscribes; the loss and the return are said once each."""
    heard = []
    site.ear.session.subscribe(
        "seen/gate", 1, lambda _topic, payload: heard.append(json.loads(payload))
    )
    with RtspCamera(tmp_path) as camera:
        sink = ("--sink", "mqtt:seen/gate", "--qos", 1)
        run = Run(site, "--source", camera.url, *sink, "--json", folder=tmp_path)
        until(lambda: len(heard) > 20, "answers")
        camera.drop()
        until(lambda: camera.asked > 1 and len(heard) > 60, "answers after the drop")
        code, said = run.end(signal.SIGTERM)
    (summary,) = run.lines

    assert code == 130, said
    assert summary["policy"] == "drop_oldest"
    assert summary["error"]["code"] == "interrupted"
    assert summary["account"]["in_flight"] == 0
    assert summary["account"]["lost"] == 0
    assert said.count("lost (it ended); trying again") == said.count("back after") == 1
    assert [record["frame"] for record in heard] == sorted(record["frame"] for record in heard)


def test_whoever_stops_reading_ends_the_run(site, tmp_path):
    """Like ``| head -1``: no traceback, the account, and no frame unaccounted."""
    folder = pictures(tmp_path / "in", 200)
    command = [sys.executable, "-m", "paceline", "run", "p", "--source", str(folder)]
    with subprocess.Popen(
        [*command, "--broker", site.broker.url], cwd=tmp_path, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        first = json.loads(process.stdout.readline())
        process.stdout.close()
        said = process.stderr.read()
        code = process.wait(PATIENCE_SECONDS)

    assert first["frame"] == 0
    assert code == 1
    assert "whoever read the answers is gone" in said
    assert "in flight; lost: 0" in said
    assert "Traceback" not in said
    assert "Exception ignored" not in said


def test_live_frames_through_a_slow_pipeline(place, slow_chain):
    """The newest goes through; all are accounted for at every instant, and answered in order."""
    place.start("d1", "d2")
    place.deploy(slow_chain.folder, "d1", "d2")
    pipeline = place.site.pipeline("p")
    unbalanced, done = [], threading.Event()

    def audit():
        while not done.wait(0.005):
            a = pipeline.account
            if a and a.submitted != a.results + sum(a.errors.values()) + a.drops + a.in_flight:
                unbalanced.append(a)

    def camera():
        for number in range(1000):
            if number >= 300 and pipeline.account.results > 3:
                return
            yield slow_chain.inputs(number)
            done.wait(0.005)

    auditor = threading.Thread(target=audit)
    auditor.start()
    answers = list(pipeline.stream(camera(), policy="drop_oldest", window=3))
    done.set()
    auditor.join()
    account = pipeline.account
    results = [answer for answer in answers if answer.error is None]

    assert unbalanced == []
    assert [answer.sequence for answer in answers] == list(range(account.submitted))
    assert account.submitted >= 300
    assert account.drops == sum(answer.dropped for answer in answers) > 0
    assert len(results) > 3
    assert all(np.array_equal(a.inputs["x"], slow_chain.inputs(a.sequence)["x"]) for a in results)
    assert all(slow_chain.right(answer.sequence, answer.tensors) for answer in results)
