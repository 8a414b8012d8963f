"""What speaks against forgetting a device, and what is kept of it."""

import pytest

from fleet.control import forget_plan
from fleet.control.device_state import DeviceState
from wire import messages
from wire.messages import (
    Assignment,
    Contract,
    Desired,
    Reported,
    ReportedAssignment,
    Route,
    RouteStage,
    Status,
)
from wire.topics import TOPICS


def state(presence=None, *ordered, reported=()):
    """Return a device with these orders, that reports these pipelines."""
    desired = Desired(
        site="default",
        device="d9",
        epoch=1,
        revision=1,
        issued_unix_ns=0,
        assignments=tuple(
            Assignment(
                pipeline=name, generation=1, stage=stage, segment="s", format="onnx", files=(),
                contract=Contract(receives=(), sends=(), inputs=(), outputs=()), runtime="onnx_cpu",
            )
            for stage, name in enumerate(ordered)
        ),
    )  # fmt: skip
    told = tuple(
        ReportedAssignment(
            pipeline=name, generation=1, stage=0, segment="s", phase="serving",
            outcome="healthy", digest="0" * 64, runtime_asked="onnx_cpu",
        )
        for name in reported
    )  # fmt: skip
    return DeviceState(
        "d9",
        status=Status(state=presence, session=1, boot="b") if presence else None,
        desired=messages.encode("desired", desired) if presence else None,
        reported=Reported(
            device="d9", session=1, observed=(1, 1), applied=(1, 1), assignments=told
        ) if presence else None,
    )  # fmt: skip


def route(name, *devices):
    """Return a route over these devices."""
    stages = tuple(
        RouteStage(stage=number, device=device, segment="s", runtime="onnx_cpu")
        for number, device in enumerate(devices)
    )
    return Route(
        pipeline=name, generation=1, epoch=1, manifest="0" * 64, stages=stages, receives=(),
        outputs=(),
    )  # fmt: skip


def test_every_retained_topic_of_a_device_alone_is_cleared():
    """A topic that is added later is not forgotten here; presence goes last."""
    own = {
        kind
        for kind, topic in TOPICS.items()
        if topic.retain and topic.pattern == f"d/{{device}}/{kind}"
    }

    assert set(forget_plan.RETAINED) == own
    assert forget_plan.RETAINED[-1] == "status"


@pytest.mark.parametrize(
    ("found", "routes", "answers", "why"),
    [
        (state("offline"), {"p": route("p", "d1"), "q": None}, False, None),
        (state("lost", reported=("p",)), {}, False, None),  # it never heard that it is undeployed
        (state(), {}, False, None),
        (state("online"), {}, True, "is online"),
        (state("online"), {}, False, "says that it is online but does not answer"),
        (state("lost", "p", "p", "q"), {}, False, "is ordered to run p, q"),
        (state("lost"), {"p": route("p", "d1", "d9")}, False, "stands in the route of p"),
        (
            state("online", "p"),
            {"p": route("p", "d9"), "q": route("q", "d9")},
            True,
            "is online and is ordered to run p and stands in the routes of p, q",
        ),
    ],
)
def test_a_device_in_use_is_named_with_all_that_it_is_used_for(found, routes, answers, why):
    """What it reports alone is no use: a device that is gone reports for ever."""
    assert forget_plan.objections(found, routes, answers=answers) == why


def test_routes_are_looked_for_by_all_that_names_a_pipeline():
    """Orders may be lost while the report is there, and the other way round."""
    assert forget_plan.concerned(state("lost", "p", reported=("q", "p"))) == ("p", "q")
    assert forget_plan.concerned(state()) == ()


def test_orders_that_nobody_could_obey_are_kept_and_order_nothing():
    """They are cleared, and no reason to refuse."""
    broken = DeviceState("d9", desired=b"{not json")

    assert forget_plan.kept(broken) == ("desired",)
    assert forget_plan.ordered(broken) == ()
