"""How far a deploy is, judged from reports."""

from dataclasses import replace

import pytest

from fleet.control import deploy_progress
from fleet.control.deploy_progress import Order, Verdict
from fleet.control.device_state import DeviceState
from wire.manifest import File
from wire.messages import (
    Assignment,
    Contract,
    Desired,
    Reason,
    Reported,
    ReportedAssignment,
    Status,
)

WHY = Reason(code="signature.refused", message="not trusted")
OURS = (4, 7)
ONLINE = Status(state="online", session=1, boot="b")
LOST = Status(state="lost", session=1, boot="b")
ASSIGNMENT = Assignment(
    pipeline="p",
    generation=4,
    stage=0,
    segment="s0",
    format="onnx",
    files=(
        File(name="segment.onnx", sha256="0" * 64, size_bytes=3),
        File(name="weights.bin", sha256="1" * 64, size_bytes=4),
    ),
    contract=Contract(receives=(), sends=(), inputs=(), outputs=()),
    runtime="onnx_cpu",
)
DESIRED = Desired(
    site="default",
    device="a",
    epoch=OURS[0],
    revision=OURS[1],
    assignments=(ASSIGNMENT,),
    issued_unix_ns=1,
)
ORDER = Order(DESIRED, b"ours", b"before")


def report(*, observed=OURS, phase=None, generation=4, reason=None, refused=None, degraded=None):
    """Return a report with at most one assignment."""
    found = ReportedAssignment(
        pipeline="p",
        generation=generation,
        stage=0,
        segment="s0",
        phase=phase or "",
        outcome="pending",
        digest="",
        runtime_asked="onnx_cpu",
        reason=reason,
        degraded=degraded,
    )
    return Reported(
        device="a",
        session=1,
        observed=observed,
        applied=(0, 0),
        assignments=(found,) if phase else (),
        refused=refused,
    )


def state(reported=None, *, status=ONLINE, desired=b"ours"):
    """Return what is known of the device."""
    return DeviceState("a", status=status, desired=desired, reported=reported)


def judged(known, *, order=ORDER, waited_seconds=0.1):
    """Return the progress of the only stage."""
    (stage,) = deploy_progress.stages(
        [ASSIGNMENT], ["a"], {"a": order}, {"a": known}, waited_seconds
    )
    return stage


@pytest.mark.parametrize(
    ("known", "phase", "verdict"),
    [
        (state(), "ordered", Verdict.WAITING),
        (state(report(observed=(3, 9))), "ordered", Verdict.WAITING),
        (state(report()), "ordered", Verdict.WAITING),
        (state(report(phase="fetching")), "fetching", Verdict.WAITING),
        (state(report(phase="serving")), "serving", Verdict.SERVING),
        (state(report(phase="serving", generation=3)), "ordered", Verdict.WAITING),
        (state(report(phase="serving", observed=(3, 9))), "ordered", Verdict.WAITING),
        (state(report(phase="loading"), status=LOST), "lost", Verdict.WAITING),
        (state(desired=b"before"), "ordered", Verdict.WAITING),
        (state(desired=b"others"), "ordered", Verdict.SUPERSEDED),
        (state(report(observed=(4, 8))), "ordered", Verdict.SUPERSEDED),
        (state(report(observed=(5, 1), phase="serving")), "ordered", Verdict.SUPERSEDED),
    ],
)
def test_each_report_has_one_reading(known, phase, verdict):
    """Only a report on our own order and generation counts."""
    stage = judged(known)

    assert (stage.phase, stage.verdict) == (phase, verdict)


def test_a_failure_carries_the_devices_reason():
    """The reason is what people are told; a failure without one says so."""
    why = Reason(code="model.unreadable", message="no such operator")

    assert judged(state(report(phase="failed", reason=why))).reason == why
    assert judged(state(report(phase="failed"))).verdict is Verdict.FAILED
    assert judged(state(report(phase="failed"))).reason.code == "assignment.failed"


def test_what_serves_on_less_than_was_asked_for_says_why():
    """It serves, and whoever deploys is told."""
    lost = Reason(code="accelerator.missing", message="no Edge TPU")
    stage = judged(state(report(phase="serving", degraded=lost)))

    assert (stage.verdict, stage.reason) == (Verdict.SERVING, lost)


def test_a_first_refusal_counts_at_once():
    """The device refused nothing before, so what it refuses is ours."""
    stage = judged(state(report(observed=(3, 9), refused=WHY)))

    assert (stage.verdict, stage.reason) == (Verdict.REFUSED, WHY)


def test_a_refusal_of_an_earlier_message_is_not_taken_for_ours():
    """It may be said once more before ours is read; after a while it is ours."""
    known = state(report(observed=(3, 9), refused=WHY))
    order = replace(ORDER, refused_before=True)
    late = deploy_progress.REFUSAL_SECONDS

    assert judged(known, order=order).verdict is Verdict.WAITING
    assert judged(known, order=order, waited_seconds=late).verdict is Verdict.REFUSED


def test_what_was_accepted_is_not_refused():
    """A reason from another trouble, such as a full disk, does not end a deploy that goes on."""
    known = state(report(phase="warming", refused=WHY))

    assert judged(known).verdict is Verdict.WAITING
    assert deploy_progress.refusals({"a": ORDER}, {"a": known}, 60.0) == {}


def test_the_size_is_that_of_all_files():
    """What the device has to fetch at most."""
    assert judged(state()).size_bytes == 7


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (state(), ("a",)),
        (state(report(observed=(3, 9))), ("a",)),
        (state(report()), ()),
        (state(report(observed=(3, 9), refused=WHY)), ()),
    ],
)
def test_a_device_decides_by_accepting_or_refusing(known, expected):
    """Before an order is taken back, every device should have said what it thinks of it."""
    assert deploy_progress.undecided({"a": ORDER}, {"a": known}) == expected


@pytest.mark.parametrize(
    ("known", "generation", "expected"),
    [
        (state(report(phase="draining", generation=3)), 4, ("a",)),
        (state(report(phase="serving")), 4, ()),
        (state(report(phase="serving")), None, ("a",)),
        (state(report(phase="serving", generation=3), status=LOST), 4, ()),
        (state(), 4, ()),
    ],
)
def test_leftovers_are_other_generations_on_devices_that_are_there(known, generation, expected):
    """A device that is away obeys when it comes back, and nobody waits for it."""
    assert deploy_progress.leftovers({"a": known}, "p", generation) == expected
