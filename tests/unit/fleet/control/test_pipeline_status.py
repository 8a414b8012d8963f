"""How a pipeline is, from its route and the devices' reports."""

import dataclasses

import msgspec
import pytest

from fleet.control.device_state import DeviceState
from fleet.control.pipeline_status import EdgeStatus, pipeline_status
from wire import messages
from wire.messages import (
    Assignment,
    Contract,
    Desired,
    Reason,
    Reported,
    ReportedAssignment,
    Route,
    RouteStage,
    Status,
    Transfer,
)

ROUTE = Route(
    pipeline="p",
    generation=3,
    epoch=5,
    manifest="0" * 64,
    stages=(
        RouteStage(stage=0, device="a", segment="s0", runtime="onnx_cpu"),
        RouteStage(stage=1, device="b", segment="s1", runtime="onnx_cpu"),
    ),
    receives=(),
    outputs=(),
)


def running(stage, *, generation=3, phase="serving", pipeline="p"):
    """Return what a device reports of one stage."""
    return ReportedAssignment(
        pipeline=pipeline,
        generation=generation,
        stage=stage,
        segment=f"s{stage}",
        phase=phase,
        outcome="healthy",
        digest="",
        runtime_asked="onnx_cpu",
        runtime_actual="onnx_cpu",
        reason=Reason(code="worker.lost", message="killed"),
        since_unix_ns=9,
    )


def device(name, *assignments, state="online"):
    """Return a device that reports these."""
    reported = Reported(
        device=name, session=1, observed=(5, 1), applied=(5, 1), assignments=assignments
    )
    return DeviceState(name, Status(state=state, session=1, boot="b"), reported=reported)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (device("a", running(0)), device("b", running(1)), "serving"),
        (device("a", running(0)), device("b", running(1, phase="loading")), "down"),
        (device("a", running(0)), device("b", running(1), state="lost"), "down"),
        (device("a", running(0)), DeviceState("b"), "down"),
        (device("a"), device("b", running(1, generation=2)), "down"),
    ],
)
def test_a_pipeline_serves_when_every_stage_does(a, b, expected):
    """A retained report of a device that is gone is no serving stage."""
    found = pipeline_status("p", ROUTE, {"a": a, "b": b})

    assert found.state == expected


@pytest.mark.parametrize(
    ("b", "c", "expected"),
    [
        (running(1), running(1), "serving"),
        (running(1), running(1, phase="loading"), "degraded"),
        (running(1, phase="failed"), running(1, phase="loading"), "down"),
    ],
)
def test_a_pipeline_with_replicas_is_degraded_while_some_serve(b, c, expected):
    """It is down when a stage serves nowhere."""
    replica = msgspec.structs.replace(ROUTE.stages[1], device="c")
    route = msgspec.structs.replace(ROUTE, stages=(*ROUTE.stages, replica))
    states = {"a": device("a", running(0)), "b": device("b", b), "c": device("c", c)}

    assert pipeline_status("p", route, states).state == expected


def test_a_stage_on_less_than_was_asked_for_degrades_its_pipeline():
    """It answers, and the reason is shown beside what was asked for and what runs."""
    why = Reason(code="accelerator.lost", message="the stick was pulled")
    fallen = msgspec.structs.replace(
        running(1),
        runtime_asked="tflite_edgetpu",
        runtime_actual="tflite_cpu",
        accelerator_actual="cpu",
        degraded=why,
    )

    found = pipeline_status("p", ROUTE, {"a": device("a", running(0)), "b": device("b", fallen)})
    stage = found.stages[1]

    assert found.state == "degraded"
    assert (stage.runtime_asked, stage.runtime, stage.degraded) == (
        "tflite_edgetpu",
        "tflite_cpu",
        why,
    )


def test_a_stage_that_nobody_reports_is_missing():
    """The route says where it should be."""
    found = pipeline_status("p", ROUTE, {"a": device("a", running(0)), "b": DeviceState("b")})
    stage = found.stages[1]

    assert (stage.device, stage.phase, stage.device_state) == ("b", "missing", "unknown")


def test_other_generations_and_only_those_stand_apart():
    """A draining generation is shown, another pipeline is not."""
    a = device("a", running(0), running(0, generation=2, phase="draining"))
    b = device("b", running(1), running(0, pipeline="q"))
    found = pipeline_status("p", ROUTE, {"a": a, "b": b})

    assert [(s.device, s.generation, s.phase) for s in found.others] == [("a", 2, "draining")]
    assert found.stages[0].reason == Reason(code="worker.lost", message="killed")
    assert found.stages[0].since_unix_ns == 9


def ordered(state, link, codec):
    """Return a device that was ordered stage 0 of our pipeline, and of another."""
    transfer = Transfer(link=link, codec=codec)
    made = tuple(
        Assignment(
            pipeline=pipeline, generation=3, stage=0, segment="s0", format="onnx", files=(),
            contract=Contract(receives=(), sends=(), inputs=(), outputs=()),
            runtime="onnx_cpu", transfer=how,
        )
        for pipeline, how in (("p", transfer), ("q", Transfer()))
    )  # fmt: skip
    desired = Desired(site="s", device="a", epoch=5, revision=1, assignments=made, issued_unix_ns=1)
    return dataclasses.replace(state, desired=messages.encode("desired", desired))


def test_an_edge_says_how_tensors_travel():
    """Link and codec as ordered; of an earlier deployer's route clients' links are not known."""
    states = {"a": ordered(device("a", running(0)), "tcp", "fp16"), "b": device("b", running(1))}
    found = pipeline_status("p", msgspec.structs.replace(ROUTE, codec="int8_channel"), states)

    assert found.edges == (
        EdgeStatus(edge="entry", link=None, codec="int8_channel"),
        EdgeStatus(edge="0", link="tcp", codec="fp16"),
    )


def test_how_clients_send_and_are_answered_is_told_by_the_route():
    """Answers are always raw."""
    route = msgspec.structs.replace(ROUTE, entry_link="direct", answers_link="auto")
    states = {"a": device("a", running(0)), "b": device("b", running(1))}
    entry, _, answers = pipeline_status("p", route, states).edges

    assert entry == EdgeStatus(edge="entry", link="direct", codec="raw")
    assert answers == EdgeStatus(edge="answers", link="auto", codec="raw")


@pytest.mark.parametrize("lost", [None, b"{}"])
def test_an_edge_whose_orders_are_lost_is_not_known(lost):
    """The broker may have lost them, or hold what nobody understands."""
    a = dataclasses.replace(device("a", running(0)), desired=lost)
    found = pipeline_status("p", ROUTE, {"a": a, "b": device("b", running(1))})

    assert found.edges[1] == EdgeStatus(edge="0", link=None, codec=None)


def test_without_a_route_what_devices_run_is_still_shown():
    """The broker may have lost the route while the devices go on."""
    found = pipeline_status("p", None, {"a": device("a", running(0))})

    assert (found.state, found.generation, found.stages) == ("not_deployed", None, ())
    assert [s.device for s in found.others] == ["a"]
