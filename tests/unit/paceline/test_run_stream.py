"""A source's frames through a pipeline to a sink: each is told of, whatever becomes of it."""

import io
import json
import signal
import threading
import time

import msgspec
import numpy as np
import pytest

from paceline.aside import Aside
from paceline.output import Output
from paceline.policies import Policy
from paceline.run_frames import NoPicturesError
from paceline.run_stream import RunRequest, Streamed, entry_of
from paceline.sink_errors import SinkFullError
from paceline.sinks import SinkOptions, open_sink
from paceline.source_errors import SourceBrokenError
from paceline.sources import Shot, SourceOptions, open_source
from paceline.stopping import Stopping
from paceline.stream import Stream
from tests.fixtures import videos
from tests.unit.paceline.planes import ROUTE, Answering, Plane
from wire.manifest import Picture
from wire.tensors import TensorSpec

PICTURES = msgspec.structs.replace(
    ROUTE,
    receives=(TensorSpec(name="x", dtype=1, shape=(1, 1, 4, 4)),),
    preprocess=Picture(input="x", width=4, height=4, channels="L", scale=1.0),
)


class Pipeline:
    """A pipeline at the edge of the process: its plane answers as the test says."""

    def __init__(self, plane, route):
        self.plane = plane
        self.route = route
        self.last = None

    def stream(self, frames, *, window, rate, deadline_seconds, codec, policy):
        """Stream them."""
        self.last = Stream(
            self.plane, lambda: self.route, window=window, deadline_seconds=deadline_seconds,
            codec=codec, policy=policy,
        )  # fmt: skip
        try:
            yield from self.last.run(frames, rate)
        finally:
            self.last.close()


class Film:
    """A source that gives what the test says."""

    live = False
    shots_per_second = None

    def __init__(self, shots):
        self._shots = shots
        self.closed = 0

    def shots(self):
        """Give it."""
        yield from self._shots

    def close(self):
        """Note it."""
        self.closed += 1


@pytest.fixture
def running(tmp_path):
    """Return what runs a source, and gives the run, and what came out as JSON."""

    def run(source, *, plane=None, route=PICTURES, sink="-", policy=Policy.BLOCK, then=None, **how):
        stdout = io.StringIO()
        options = SinkOptions("json", 0, "paceline", None, stdout)
        request = RunRequest(
            policy, how.get("window", 4), how.get("rate"), how.get("deadline", 60), how.get("count")
        )
        with Stopping((signal.SIGTERM,)) as stopping:
            pipeline = Pipeline(plane or Answering(), route)
            opened = open_sink(sink, options) if isinstance(sink, str) else sink
            streamed = Streamed(pipeline, source, opened, request, stopping)
            if then is not None:
                then(pipeline, stopping)
            streamed.run(Aside(Output(False, stdout, io.StringIO())))
        said = [json.loads(line) for line in stdout.getvalue().splitlines()]
        account = pipeline.last.account("p")
        assert account.in_flight == 0
        return streamed, said, account

    return run


def film(*numbers):
    """Return shots of these pictures."""
    return [Shot(f"frame {n}", videos.picture(n), n / 10) for n in numbers]


def test_a_video_goes_through_and_each_answer_says_what_it_is_of(running, tmp_path):
    """Number, name, time, latency, and the outputs where nobody says how to read them."""
    path = videos.write(tmp_path / "a.mp4", 5)
    streamed, said, account = running(open_source(str(path), SourceOptions()))

    assert [(s["frame"], s["source"]) for s in said] == [(n, f"frame {n}") for n in range(5)]
    assert [s["at_seconds"] for s in said] == [0.0, 0.04, 0.08, 0.12, 0.16]
    assert said[0]["outputs"] == {"x": {"dtype": "float32", "shape": [1], "values": [0.0]}}
    assert all(s["latency_seconds"] > 0 and s["sent_unix_ns"] > 0 for s in said)
    assert (account.results, streamed.tally.results) == (5, 5)
    assert (streamed.error, streamed.interrupted) == (None, False)


def test_what_is_broken_is_told_and_the_rest_goes_through(running, tmp_path):
    """A picture that is none among pictures, a file of wrong tensors: counted by code."""
    for number in (0, 1, 3):
        videos.picture(number).save(tmp_path / f"{number}.png")
    (tmp_path / "2.jpg").write_bytes(b"no picture")
    np.savez(tmp_path / "4.npz", x=np.zeros(3, np.float32))
    streamed, said, account = running(open_source(str(tmp_path), SourceOptions()))

    codes = {s["source"]: s["error"]["code"] for s in said if "error" in s}
    assert codes == {"2.jpg": "picture.unreadable", "4.npz": "run.bad_input"}
    assert streamed.skipped == {"picture.unreadable": 1, "run.bad_input": 1}
    assert sorted(s["frame"] for s in said) == [0, 1, 2, 3, 4]
    assert account.submitted == 3


def test_a_broken_picture_of_a_video_is_told(running):
    """With the code that the source gives it."""
    broken = Shot("frame 1", error=SourceBrokenError("it", "is damaged", "look"))
    shots = [*film(0), broken, *film(2)]
    streamed, said, _ = running(Film(shots))

    assert streamed.skipped == {"source.broken": 1}
    assert sorted((s["frame"], "error" in s) for s in said) == [(0, False), (1, True), (2, False)]


def test_errors_of_the_pipeline_are_answers_too(running):
    """With code, message and device."""
    plane = Answering()
    plane.says = lambda frame: "runtime.failed" if frame.sequence == 1 else None
    streamed, said, _ = running(Film(film(0, 1, 2)), plane=plane)

    assert [s.get("error", {}).get("code") for s in said] == [None, "runtime.failed", None]
    assert streamed.tally.failed == {"runtime.failed": 1}


def test_late_frames_are_counted_apart(running):
    """They are failures of their own kind."""
    streamed, said, _ = running(Film(film(0, 1)), plane=Plane(), deadline=0.01)

    assert streamed.tally.late == 2
    assert {s["error"]["code"] for s in said} == {"frame.deadline"}
    assert "2 late" in streamed.tally.line()


def test_a_source_that_breaks_off_ends_the_run_behind_its_answers(running):
    """The reason is kept, the answers are out, the source is closed."""

    def shots():
        yield from film(0, 1)
        raise SourceBrokenError("it", "breaks off", "look")

    source = Film(shots())
    streamed, said, account = running(source)

    assert len(said) == account.results == 2
    assert streamed.error.code == "source.broken"
    assert source.closed == 1


def test_pictures_for_a_pipeline_that_takes_none(running):
    """It is said once, not of each picture."""
    streamed, said, account = running(Film(film(0, 1)), route=ROUTE)

    assert said == []
    assert isinstance(streamed.error, NoPicturesError)
    assert account.submitted == 0


def test_a_sink_that_takes_no_more_ends_the_run(running):
    """Every frame is accounted for."""

    class Full:
        unsent = 0

        def write(self, entry):
            if entry.record.frame == 2:
                raise SinkFullError("out", "the disk is full", "make room")

    streamed, _, account = running(Film(film(*range(9))), sink=Full(), window=2)

    assert streamed.error.code == "sink.disk_full"
    assert 3 <= account.submitted == account.results + sum(account.errors.values()) < 9


def test_only_so_many_frames(running):
    """The source may have more."""
    _, said, account = running(Film(film(*range(9))), count=3)

    assert len(said) == account.submitted == 3


def test_a_recording_can_be_played_as_if_it_were_live(running):
    """With drop_oldest it has a pace, and a slow pipeline drops what is old."""
    streamed, said, account = running(
        Film(film(*range(9))), policy=Policy.DROP_OLDEST, rate=50, window=1,
        plane=Plane(), deadline=0.5,
    )  # fmt: skip

    assert account.submitted == 9
    assert account.drops == streamed.tally.dropped > 0
    assert [s["frame"] for s in said] == list(range(9))
    assert {s["error"]["code"] for s in said} == {"frame.dropped", "frame.deadline"}


def test_the_first_signal_ends_the_source_and_answers_still_come(running):
    """Nothing more is taken; what is in flight has its answer."""
    endless = (Shot(f"{n}", videos.picture(n)) for n in range(10**9))

    class Signalling(Answering):
        def send(self, route, frame, finished, *, alone=False):
            sent = super().send(route, frame, finished, alone=alone)
            if len(self.sent) == 20:
                threading.Timer(0.1, signal.raise_signal, (signal.SIGTERM,)).start()
            return sent

    streamed, said, account = running(Film(endless), plane=Signalling())

    assert streamed.interrupted
    assert streamed.error is None
    assert account.submitted == account.results == len(said) > 0


def test_the_second_signal_ends_what_is_in_flight(running):
    """It is accounted as client.closed."""

    class Silent(Plane):
        def send(self, route, frame, finished, *, alone=False):
            sent = super().send(route, frame, finished, alone=alone)
            if len(self.sent) == 3:
                threading.Timer(0.1, self.signal_twice).start()
            return sent

        def signal_twice(self):
            signal.raise_signal(signal.SIGTERM)
            self.stopping.asked.wait(60)
            time.sleep(0.3)
            signal.raise_signal(signal.SIGTERM)

    plane = Silent()
    streamed, said, account = running(
        Film(film(*range(3))), plane=plane, then=lambda _, told: setattr(plane, "stopping", told)
    )

    assert streamed.interrupted
    assert said == []
    assert account.errors == {"client.closed": 3}


def test_large_outputs_are_described_and_not_written_out(running):
    """A line of JSON stays a line."""
    from paceline.answers import Answer
    from paceline.run_frames import Label

    outputs = {"y": np.zeros((30, 40), np.float32), "z": np.array([np.nan])}
    answer = Answer(0, outputs, None, 0, 0, 10)
    record = entry_of(Label(0, "a", None), answer, ROUTE).record

    assert record.outputs == {
        "y": {"dtype": "float32", "shape": [30, 40]}, "z": {"dtype": "float64", "shape": [1]},
    }  # fmt: skip
