"""Whether a pipeline's route is to be published again. Pure: no I/O, no clock."""

from collections.abc import Iterator, Mapping
from typing import Final

from fleet.control.deployments import Entry
from fleet.control.device_state import DeviceState
from wire.messages import Reason, Route

NOT_SERVED: Final = "route.not_served"
"""The code of the only reason that may pass by waiting."""
_MISSING: Final = "missing"


def route_to_write(
    entry: Entry, present: Route | None, states: Mapping[str, DeviceState]
) -> Route | Reason | None:
    """Return the route to publish, or why it cannot be; None: nothing is missing.

    A route never goes back: not behind the one that the broker holds, and not behind a generation
    that devices serve already.

    Args:
        entry: What the user deployed last under this name.
        present: The route that the broker holds.
        states: What the devices of ``entry`` say.
    """
    if present is not None and present.generation >= entry.generation:
        return None
    newest = max(_served_generations(entry.pipeline, states), default=0)
    if newest > entry.generation:
        message = f"generation {newest} serves, which somebody else deployed: they can restore it"
        return Reason(code="route.superseded", message=message)
    route = entry.route
    if route is None:
        devices = ",".join(entry.devices)
        again = f"paceline deploy {entry.folder} --to {devices} --name {entry.pipeline}"
        message = f"an earlier version of paceline deployed it and kept no route; run `{again}`"
        return Reason(code="route.not_kept", message=message)
    phases = [_phase(route, stage.stage, states[stage.device]) for stage in route.stages]
    if set(phases) == {_MISSING}:
        message = (
            "its devices do not run it: somebody else undeployed or moved it;"
            f" `paceline undeploy {entry.pipeline}` takes it off your list"
        )
        return Reason(code="route.undeployed", message=message)
    waiting = [
        f"stage {stage.stage} on {stage.device} is {phase}"
        for stage, phase in zip(route.stages, phases, strict=True)
        if phase != "serving"
    ]
    return Reason(code=NOT_SERVED, message=", ".join(waiting)) if waiting else route


def _served_generations(pipeline: str, states: Mapping[str, DeviceState]) -> Iterator[int]:
    for state in states.values():
        for found in state.reported.assignments if state.reported else ():
            if found.pipeline == pipeline and found.phase == "serving":
                yield found.generation


def _phase(route: Route, stage: int, state: DeviceState) -> str:
    """Return what a stage does, or what is known of its device."""
    if not state.online or state.reported is None:
        return state.presence if not state.online else "not reported"
    wanted = (route.pipeline, route.generation, stage)
    for found in state.reported.assignments:
        if (found.pipeline, found.generation, found.stage) == wanted:
            return found.phase
    return _MISSING
