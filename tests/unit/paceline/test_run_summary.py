"""What ``paceline run`` says in the end."""

import io
import json

import numpy as np
import pytest
from rich.console import Console

from paceline import run_summary
from paceline.answers import Answer
from paceline.errors import FrameFailedError, PipelineUndeployedError
from paceline.output import json_line
from paceline.run_summary import Tally
from tests.unit.paceline.planes import ROUTE
from wire.messages import Account

GONE = PipelineUndeployedError("p", "mqtt://here:1883")


def answer(sequence, reason=None):
    """Return an answer, after 10 ms."""
    error = FrameFailedError(sequence, reason, "why") if reason else None
    tensors = {} if reason else {"x": np.zeros(1, np.float32)}
    began = sequence * 100_000_000
    return Answer(sequence, tensors, error, began, began, began + 10_000_000)


def account(results, errors, **links):
    """Return the account that belongs to it."""
    return Account(
        pipeline="p", client="c", stream=1, submitted=results + sum(errors.values()),
        results=results, errors=errors, drops=0, in_flight=0, lost=0, sent_unix_ns=0, **links,
    )  # fmt: skip


def said(answers, error=None, output="y.npz", **links):
    """Return what is printed as JSON, and for people."""
    results = sum(each.error is None for each in answers)
    errors = {each.error.reason: 1 for each in answers if each.error}
    told = account(results, errors, **links)
    made = run_summary.summary(Tally(answers), told, ROUTE, output, None, error)
    text = io.StringIO()
    run_summary.show(Console(file=text, width=200), made)
    return json.loads(json_line(made)), text.getvalue()


def test_all_is_well():
    """The account, times, and the file; no word of errors."""
    plain, text = said([answer(0), answer(1)])

    assert "error" not in plain
    assert (plain["output"], plain["failed"], plain["generation"]) == ("y.npz", {}, 3)
    assert plain["latency_seconds"] == {"p50": 0.01, "p95": 0.01}
    assert plain["frames_per_second"] == pytest.approx(2 / 0.11)
    assert "2 submitted = 2 results + 0 errors + 0 drops + 0 in flight; lost: 0" in text
    assert "The first result is in y.npz" in text


@pytest.mark.parametrize(
    ("links", "links_back", "told"),
    [
        ({"d1": "mqtt"}, {"d2": "mqtt"}, None),
        ({"d1": "uds", "d2": "mqtt", "d3": "tcp"}, {}, "straight to d1 by uds, d3 by tcp\n"),
        ({"d1": "paho"}, {"d2": "uds"}, "\nanswers came from d2 by uds\n"),
        ({"d1": "tcp"}, {"d2": "uds"}, "straight to d1 by tcp; answers came from d2 by uds\n"),
    ],
)
def test_how_frames_and_answers_went(links, links_back, told):
    """A word of it where it was not the broker."""
    _, text = said([answer(0)], links=links, links_back=links_back)

    assert told in text if told else "straight" not in text and "came from" not in text


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ([answer(0, "pipeline.undeployed"), answer(1, "worker.draining")], GONE),
        ([], GONE),
        ([answer(0, "frame.deadline")], FrameFailedError(0, "frame.deadline", "why")),
    ],
    ids=["undeployed", "undeployed at once", "all failed"],
)
def test_without_a_result_the_account_is_still_shown(answers, error):
    """No file, no times, but every frame and the reason."""
    plain, text = said(answers, error, output=None)

    assert plain["error"] == {"code": error.code, "message": str(error)}
    assert (plain["output"], plain["latency_seconds"], plain["frames_per_second"]) == (None,) * 3
    assert plain["account"]["submitted"] == len(answers)
    ended = "1 error" if len(answers) == 1 else f"{len(answers)} errors"
    assert f"{len(answers)} submitted = 0 results + {ended} + 0 drops" in text
    assert "The first result" not in text
    for each in answers:
        name = "late" if each.error.reason == "frame.deadline" else "failed"
        assert f"{name}: 1 x {each.error.reason}" in text
