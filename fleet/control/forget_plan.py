"""Whether a device may be forgotten, and what a broker keeps of it. Pure: no I/O, no clock."""

from collections.abc import Mapping
from typing import Final

from fleet.control.device_state import DeviceState
from wire import messages
from wire.errors import MessageError
from wire.messages import Desired, Route

RETAINED: Final = ("desired", "reported", "info", "status")
"""A device's own retained topics, in the order in which they are cleared: its presence last."""


def kept(state: DeviceState) -> tuple[str, ...]:
    """Return which of a device's topics the broker keeps something on that can be understood."""
    return tuple(kind for kind in RETAINED if getattr(state, kind) is not None)


def ordered(state: DeviceState) -> tuple[str, ...]:
    """Return the pipelines that a device is ordered to run, by whomever."""
    try:
        desired = messages.decode("desired", state.desired or b"", Desired)
    except MessageError:
        return ()  # nobody could obey it
    return tuple(dict.fromkeys(assignment.pipeline for assignment in desired.assignments))


def concerned(state: DeviceState) -> tuple[str, ...]:
    """Return the pipelines whose routes may name a device, by what is known of it."""
    told = state.reported.assignments if state.reported else ()
    return tuple(dict.fromkeys((*ordered(state), *(found.pipeline for found in told))))


def routed(device: str, routes: Mapping[str, Route | None]) -> tuple[str, ...]:
    """Return the pipelines whose route names a device."""
    return tuple(
        name
        for name, route in routes.items()
        if route is not None and any(stage.device == device for stage in route.stages)
    )


def objections(
    state: DeviceState, routes: Mapping[str, Route | None], *, answers: bool
) -> str | None:
    """Return why a device should not be forgotten; None: nothing speaks against it.

    Args:
        state: What is known of it.
        routes: Of the pipelines that may concern it; None: it has none.
        answers: Whether it gave a sign of life.
    """
    found = []
    if state.online:
        found.append("is online" if answers else "says that it is online but does not answer")
    if orders := ordered(state):
        found.append(f"is ordered to run {', '.join(orders)}")
    if names := routed(state.device, routes):
        plural = "s" if len(names) > 1 else ""
        found.append(f"stands in the route{plural} of {', '.join(names)}")
    return " and ".join(found) or None
