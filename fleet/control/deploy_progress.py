"""How far a deploy is, judged from what the devices report. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from fleet.control.device_state import DeviceState
from wire.messages import Assignment, Desired, Reason, ReportedAssignment

REFUSAL_SECONDS: Final = 3.0
"""Where a refusal was reported before already, so long it may still be that one, said again."""


class Verdict(StrEnum):
    """What is known of one stage."""

    WAITING = "waiting"
    SERVING = "serving"
    FAILED = "failed"
    REFUSED = "refused"
    SUPERSEDED = "superseded"


ENDED: Final = frozenset({Verdict.FAILED, Verdict.REFUSED, Verdict.SUPERSEDED})
"""Nothing is waited for any more."""


@dataclass(frozen=True, slots=True)
class StageProgress:
    """How far one stage is."""

    stage: int
    device: str
    segment: str
    size_bytes: int
    """Of its files."""
    phase: str
    """As the device reports it; ``ordered`` before that, ``offline`` when it has gone."""
    verdict: Verdict
    reason: Reason | None = None
    """Of one that serves: why on less than was asked for."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a deploy or an undeploy is."""

    step: str
    """``reading``, ``ordering``, ``starting``, ``routing``, ``settling``, ``withdrawing``,
    ``restoring``."""
    text: str
    """The same for people."""
    stages: tuple[StageProgress, ...] = ()


ProgressHandler = Callable[[Progress], None]
"""Told in the caller's thread whenever something changed."""


@dataclass(frozen=True, slots=True)
class Order:
    """What was written to one device."""

    desired: Desired
    payload: bytes
    before: bytes | None
    """What was there."""
    refused_before: bool = False
    """Whether the device reported a refusal already."""


def stages(
    assignments: Sequence[Assignment],
    devices: Sequence[str],
    orders: Mapping[str, Order],
    states: Mapping[str, DeviceState],
    waited_seconds: float,
) -> tuple[StageProgress, ...]:
    """Return how far each assignment is; ``devices`` has one entry for each."""
    return tuple(
        _stage(assignment, orders[device], states[device], waited_seconds)
        for assignment, device in zip(assignments, devices, strict=True)
    )


def _stage(
    assignment: Assignment, order: Order, state: DeviceState, waited_seconds: float
) -> StageProgress:
    phase, verdict, reason = _judged(assignment, order, state, waited_seconds)
    return StageProgress(
        assignment.stage,
        state.device,
        assignment.segment,
        sum(file.size_bytes for file in assignment.files),
        phase,
        verdict,
        reason,
    )


def _judged(
    assignment: Assignment, order: Order, state: DeviceState, waited_seconds: float
) -> tuple[str, Verdict, Reason | None]:
    ours = (order.desired.epoch, order.desired.revision)
    observed = state.reported.observed if state.reported else (0, 0)
    if observed > ours or state.desired not in {order.payload, order.before}:
        message = "somebody else gave this device other orders meanwhile"
        return "ordered", Verdict.SUPERSEDED, Reason(code="desired.superseded", message=message)
    if observed < ours:
        refused = state.reported.refused if state.reported else None
        if refused is not None and is_ours(order, waited_seconds):
            return "refused", Verdict.REFUSED, refused
        return ("ordered" if state.online else state.presence), Verdict.WAITING, None
    found = _reported(assignment, state)
    if found is None:
        return "ordered", Verdict.WAITING, None
    if found.phase == "serving":
        return found.phase, Verdict.SERVING, found.degraded
    if found.phase == "failed":
        reason = found.reason or Reason(code="assignment.failed", message="no reason was reported")
        return found.phase, Verdict.FAILED, reason
    return (found.phase if state.online else state.presence), Verdict.WAITING, found.reason


def refusals(
    orders: Mapping[str, Order], states: Mapping[str, DeviceState], waited_seconds: float
) -> dict[str, Reason]:
    """Return, by device, why an order was refused."""
    found = {}
    for name, order in orders.items():
        reported = states[name].reported
        if reported is None or reported.refused is None or not is_ours(order, waited_seconds):
            continue
        if reported.observed < (order.desired.epoch, order.desired.revision):
            found[name] = reported.refused
    return found


def undecided(orders: Mapping[str, Order], states: Mapping[str, DeviceState]) -> tuple[str, ...]:
    """Return the devices that have neither accepted nor refused their order, offline or not."""
    found = []
    for name, order in orders.items():
        reported = states[name].reported
        ours = (order.desired.epoch, order.desired.revision)
        if reported is None or (reported.observed < ours and reported.refused is None):
            found.append(name)
    return tuple(found)


def is_ours(order: Order, waited_seconds: float) -> bool:
    """Whether a refusal that is reported now is that of ``order``, so long after it was given."""
    return not order.refused_before or waited_seconds >= REFUSAL_SECONDS


def _reported(assignment: Assignment, state: DeviceState) -> ReportedAssignment | None:
    wanted = (assignment.pipeline, assignment.generation, assignment.stage)
    for found in state.reported.assignments if state.reported else ():
        if (found.pipeline, found.generation, found.stage) == wanted:
            return found
    return None


def leftovers(
    states: Mapping[str, DeviceState], pipeline: str, generation: int | None
) -> tuple[str, ...]:
    """Return the devices that still run another generation of ``pipeline``; None: any at all.

    Devices that are not online are left out: they obey when they come back.
    """
    return tuple(
        name
        for name, state in states.items()
        if state.online
        and state.reported is not None
        and any(
            a.pipeline == pipeline and a.generation != generation
            for a in state.reported.assignments
        )
    )
