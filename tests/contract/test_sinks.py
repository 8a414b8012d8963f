"""Every sink, found by itself, takes results and errors, or says at once that it cannot."""

import io
import json

import numpy as np
import pytest

from paceline import sinks
from paceline.run_files import Feed
from paceline.sinks import Entry, Failure, Record, SinkOptions, open_sink


class Broker:
    """The outermost edge of a session: keeps what is published."""

    def __init__(self):
        self.published = []

    def publish(self, topic, payload, qos=0, *, retain=False, confirm_seconds=None):
        """Keep it."""
        self.published.append((topic, payload, qos))


WHERE = {"stdout": "-", "mqtt": "mqtt:answers/here", "folder": "folder:{tmp}/out"}


@pytest.fixture
def options():
    """Return what every sink is told."""
    return SinkOptions(
        format="json", qos=0, root="paceline", session=Broker(), stdout=io.StringIO()
    )


def delivered(name, options, tmp_path):
    """Return the JSON that has come out."""
    if name == "stdout":
        return [json.loads(line) for line in options.stdout.getvalue().splitlines()]
    if name == "mqtt":
        return [json.loads(payload) for _, payload, _ in options.session.published]
    return [json.loads(path.read_text()) for path in sorted((tmp_path / "out").iterdir())]


@pytest.mark.parametrize("name", sinks.names())
def test_results_and_errors_come_out_as_json(name, options, tmp_path):
    """In order, with number and source; errors with code and message."""
    sink = open_sink(WHERE[name].format(tmp=tmp_path), options)
    array = np.ones(2, np.float32)
    result = Record(frame=0, source="a.png", found=[{"name": "cat"}], latency_seconds=0.1)
    failed = Record(frame=1, source="b.png", error=Failure(code="worker.lost", message="gone"))
    sink.write(Entry(result, {"y": array}, Feed({"x": array})))
    sink.write(Entry(failed))
    sink.close()
    sink.close()

    first, second = delivered(name, options, tmp_path)
    assert (first["frame"], first["source"], first["found"]) == (0, "a.png", [{"name": "cat"}])
    assert second["error"] == {"code": "worker.lost", "message": "gone"}
    assert sink.unsent == 0
    assert "error" not in first
