"""When a route is published again, and when not."""

import msgspec
import pytest

from fleet.control.deployments import Entry
from fleet.control.device_state import DeviceState
from fleet.control.restore_plan import NOT_SERVED, route_to_write
from wire.messages import Reason, Reported, ReportedAssignment, Route, RouteStage, Status

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
ENTRY = Entry(
    broker="mqtt://b:1883",
    root="paceline",
    site="default",
    pipeline="p",
    generation=3,
    devices=("a", "b"),
    folder="/parts",
    deployed_unix_ns=1,
    route=ROUTE,
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
    )


def device(name, *assignments, state="online"):
    """Return a device that reports these."""
    told = Reported(
        device=name, session=1, observed=(5, 1), applied=(5, 1), assignments=assignments
    )
    return DeviceState(name, Status(state=state, session=1, boot="b"), reported=told)


def states(a=None, b=None):
    """Return both devices; those not given serve their stage."""
    return {"a": a or device("a", running(0)), "b": b or device("b", running(1))}


def with_generation(generation):
    """Return the route of another generation."""
    return msgspec.structs.replace(ROUTE, generation=generation)


def test_a_lost_route_of_a_pipeline_that_serves_is_written_as_it_was():
    """The very route that the deploy published."""
    assert route_to_write(ENTRY, None, states()) == ROUTE


def test_a_route_that_a_broker_took_from_an_old_copy_moves_forward():
    """It leads to a generation that is gone."""
    assert route_to_write(ENTRY, with_generation(2), states()) == ROUTE


@pytest.mark.parametrize("generation", [3, 4])
def test_a_route_that_is_there_is_left_alone(generation):
    """Also one that somebody else has moved on since, and whatever devices say."""
    assert route_to_write(ENTRY, with_generation(generation), {}) is None


@pytest.mark.parametrize(
    ("b", "told"),
    [
        (device("b", running(1, phase="loading")), "stage 1 on b is loading"),
        (device("b", running(1), state="lost"), "stage 1 on b is lost"),
        (device("b"), "stage 1 on b is missing"),
        (device("b", running(0)), "stage 1 on b is missing"),
        (device("b", running(1, generation=2)), "stage 1 on b is missing"),
        (device("b", running(1, pipeline="q")), "stage 1 on b is missing"),
        (DeviceState("b"), "stage 1 on b is unknown"),
        (DeviceState("b", device("b").status), "stage 1 on b is not reported"),
    ],
)
def test_a_pipeline_that_does_not_serve_gets_no_route(b, told):
    """Clients would wait for answers that nobody makes; the reason names the stage."""
    assert route_to_write(ENTRY, None, states(b=b)) == Reason(code=NOT_SERVED, message=told)


def test_a_pipeline_that_no_device_runs_was_undeployed_elsewhere():
    """Waiting would not help: the reason says how to forget it."""
    verdict = route_to_write(ENTRY, None, states(a=device("a"), b=device("b")))

    assert verdict.code == "route.undeployed"
    assert "`paceline undeploy p`" in verdict.message


def test_a_newer_generation_that_serves_is_somebody_elses_to_route():
    """The list on this machine is then older than the truth: no client goes back."""
    both = states(a=device("a", running(0), running(0, generation=4)))
    verdict = route_to_write(ENTRY, None, both)

    assert verdict.code == "route.superseded"
    assert "generation 4" in verdict.message


def test_an_entry_without_a_route_says_how_to_deploy_again():
    """Earlier versions kept none."""
    verdict = route_to_write(msgspec.structs.replace(ENTRY, route=None), None, states())

    assert verdict.code == "route.not_kept"
    assert "`paceline deploy /parts --to a,b --name p`" in verdict.message
