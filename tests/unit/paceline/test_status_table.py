"""What ``paceline status`` prints for people."""

import io

import pytest

from fleet.control.pipeline_status import EdgeStatus, PipelineStatus, StageStatus
from fleet.simulator.predicting import Prediction
from paceline.commands.status import SiteStatus, exit_code, show
from paceline.output import Output
from wire.messages import Reason

NOW_UNIX_NS = 1_000_000_000_000


def stage(number, **more):
    """Return a stage that serves, changed by ``more``."""
    return StageStatus(
        **{
            "generation": 3,
            "stage": number,
            "device": f"pi-{number}",
            "segment": f"0{number}-part",
            "device_state": "online",
            "phase": "serving",
            "outcome": "healthy",
            "runtime": "onnx_cpu",
            "since_unix_ns": NOW_UNIX_NS - 120_000_000_000,
            **more,
        }
    )


def printed(*pipelines, predicted=None):
    """Return the lines that people see."""
    output = Output(False, io.StringIO(), io.StringIO())
    read = SiteStatus(
        broker="mqtt://b:1883", root="paceline", site="lab", pipelines=pipelines,
        predicted=predicted or {},
    )  # fmt: skip
    output.result(read, lambda console: show(console, read, NOW_UNIX_NS))
    return [line.rstrip() for line in output.stdout.getvalue().splitlines()]


def pipeline(*stages, state="serving", others=(), edges=()):
    """Return a pipeline of these stages."""
    return PipelineStatus(
        pipeline="detector",
        state=state,
        generation=3,
        epoch=4,
        manifest="0" * 64,
        stages=stages,
        others=others,
        edges=edges,
    )


def test_each_stage_is_a_row_under_its_pipeline():
    """Device, segment, presence, phase, outcome, runtime, generation and age."""
    head, titles, first, second = printed(pipeline(stage(0), stage(1)))

    assert head == "detector: serving, generation 3"
    assert " ".join(titles.split()) == "stage device segment is phase outcome runtime gen since"
    row = ["0", "pi-0", "00-part", "online", "serving", "healthy", "onnx_cpu", "3", "2", "min"]
    assert first.split() == row
    assert second.split()[1] == "pi-1"


def test_what_was_predicted_stands_below():
    """Of the pipeline that was deployed by a plan."""
    told = Prediction(
        window=8, frames_per_second=13.14, latency_p50_seconds=0.6, latency_p95_seconds=0.7
    )
    lines = printed(pipeline(stage(0)), predicted={"detector": told})

    assert lines[-1] == "  predicted: 13.14 frames/s, 600 ms (p95 700 ms) with 8 in flight"


def test_reasons_stand_below_the_table_and_restarts_in_it():
    """A reason is a sentence, and sentences do not fit into columns."""
    why = Reason(code="worker.lost", message="killed by signal 9 [code]")
    lines = printed(pipeline(stage(0, restarts=2, outcome="failing", reason=why)))

    assert "failing, 2 restarts" in lines[2]
    assert lines[3] == "  pi-0 00-part: worker.lost: killed by signal 9 [code]"


def test_how_tensors_travel_stands_below_the_table():
    """Each edge with its link and codec, and what is not known as such."""
    edges = (
        EdgeStatus(edge="entry", link=None, codec="raw"),
        EdgeStatus(edge="0", link="auto", codec="fp16"),
        EdgeStatus(edge="1", link=None, codec=None),
    )
    lines = printed(pipeline(stage(0), stage(1), stage(2), edges=edges))

    assert lines[-1] == "  edges: entry raw, 0 → 1 auto fp16, 1 → 2 not known"


def test_a_device_that_is_insecure_by_its_own_word_is_named():
    """Once, below the table, however many stages it has."""
    lines = printed(pipeline(stage(0, insecure=True), stage(1), stage(2, insecure=True)))

    assert lines[-1].startswith("  pi-0, pi-2: insecure: true in the configuration")


def test_other_generations_follow_those_that_serve():
    """A rollout in progress is visible."""
    old = stage(0, generation=2, phase="draining")
    lines = printed(pipeline(stage(0), others=(old,)))

    assert ["draining" in line for line in lines] == [False, False, False, True]


def test_a_stage_that_is_missing_has_empty_cells():
    """Neither an age nor a runtime is made up."""
    gone = stage(0, phase="missing", outcome=None, runtime=None, since_unix_ns=None)
    row = printed(pipeline(gone, state="down"))[2]

    assert row.split() == ["0", "pi-0", "00-part", "online", "missing", "3"]


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ((), 0),
        (("serving", "degraded"), 0),
        (("serving", "down"), 6),
        (("not_deployed",), 6),
    ],
)
def test_the_exit_code_says_whether_all_give_answers(states, code):
    """So that a script need not read the table."""
    assert exit_code([pipeline(state=state) for state in states]) == code


def test_nothing_deployed_says_how_to_begin():
    """An empty table helps nobody."""
    assert printed() == [
        "Nothing that you deployed is known on mqtt://b:1883, site lab.",
        "Deploy with: paceline deploy DIR --to DEVICES",
    ]
