"""Forget devices: what a broker keeps of them is cleared, and hubs that hear it drop them.

    read what is kept and whether they answer -> refuse those in use -> clear -> see it gone

Each device's own exact topics get an empty payload, also those on which nothing was seen: a hub
that was away when the device was forgotten first hears it then. An agent that is alive after all
goes on with what it runs, for an empty payload is no order, and is there again when it connects
anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from fleet.control import forget_plan
from fleet.control.control_writer import write_retained
from fleet.control.deploy_errors import DevicesError
from fleet.control.observe import GRACE_SECONDS, Observer
from wire import ids
from wire.errors import MessageError
from wire.messages import Route
from wire.session import Session
from wire.topics import Site

ANSWER_SECONDS: Final = 5.0
"""How long a device that says it is online may take to prove it."""
CLEARED_SECONDS: Final = 2.0
"""How long a broker may take to show that a topic was cleared."""


class ForgetRefusedError(DevicesError):
    """Devices are in use; nothing was cleared."""

    code = "forget.refused"
    exit_code = 8
    advice = "stop its agent, undeploy what it is to run or deploy that elsewhere, or say --force"


class NotClearedError(DevicesError):
    """A broker goes on keeping what was cleared: it acknowledges what it does not allow."""

    code = "forget.not_cleared"
    exit_code = 8
    advice = "let your user write these topics (docs/command-line.md has the lines for mosquitto)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetRequest:
    """What to forget."""

    topics: Site
    devices: tuple[str, ...]
    pipelines: tuple[str, ...] = ()
    """Pipelines whose routes may name them, besides those that the devices tell of."""
    force: bool = False
    """Forget them although they are in use."""
    dry_run: bool = False
    """Look, and clear nothing."""


class ForgottenDevice(msgspec.Struct, frozen=True, kw_only=True):
    """One device, as it was before."""

    device: str
    presence: str
    """``online``, ``offline``, ``lost``, or ``unknown`` when the broker kept no status of it."""
    kept: tuple[str, ...]
    """Which of its topics the broker kept something on."""
    ordered: tuple[str, ...]
    """The pipelines that it was ordered to run."""
    routed: tuple[str, ...]
    """The pipelines whose route names it; that stays as it is."""


def forget(request: ForgetRequest, session: Session) -> tuple[ForgottenDevice, ...]:
    """Clear what the broker keeps of devices, of all of them or of none.

    Args:
        request: Which.
        session: Up; its subscriptions to the topics of these devices are replaced.

    Raises:
        BadIdError: A name is no id.
        ForgetRefusedError: One is in use.
        NotClearedError: The broker keeps what was cleared.
        BrokerUnreachableError: The broker went away.
    """
    for device in request.devices:
        ids.checked(device, "device")
    with Observer(session, request.topics) as seen:
        silent = _read(request, seen)
        routes = _routes(request, seen)
        problems = {
            name: found
            for name in request.devices
            if (
                found := forget_plan.objections(
                    seen.device(name), routes, answers=name not in silent
                )
            )
        }
        if problems and not request.force:
            raise ForgetRefusedError(problems)
        forgotten = tuple(_forgotten(seen, name, routes) for name in request.devices)
        if not request.dry_run:
            _clear(request, session, seen)
        return forgotten


def _read(request: ForgetRequest, seen: Observer) -> tuple[str, ...]:
    """Wait for all that is kept of the devices; return those that are online and do not answer."""
    devices = request.devices
    seen.watch_devices(devices)
    seen.wait(lambda: all(seen.device(name).status for name in devices), GRACE_SECONDS)
    online = [name for name in devices if seen.device(name).online]
    silent = seen.ping(online, ANSWER_SECONDS)
    if silent or len(online) < len(devices):
        seen.wait(lambda: None, GRACE_SECONDS)  # nobody says that there is no more
    return silent


def _routes(request: ForgetRequest, seen: Observer) -> Mapping[str, Route | None]:
    told = (forget_plan.concerned(seen.device(name)) for name in request.devices)
    names = dict.fromkeys((*request.pipelines, *(name for names in told for name in names)))
    pipelines = [name for name in names if ids.is_id(name)]
    for name in pipelines:
        seen.watch_route(name)

    def route(name: str) -> Route | None:
        try:
            return seen.route(name)
        except MessageError:
            return None  # no client can follow it

    seen.wait(lambda: all(map(route, pipelines)), GRACE_SECONDS)
    return {name: route(name) for name in pipelines}


def _forgotten(seen: Observer, device: str, routes: Mapping[str, Route | None]) -> ForgottenDevice:
    state = seen.device(device)
    return ForgottenDevice(
        device=device,
        presence=state.presence,
        kept=forget_plan.kept(state),
        ordered=forget_plan.ordered(state),
        routed=forget_plan.routed(device, routes),
    )


def _clear(request: ForgetRequest, session: Session, seen: Observer) -> None:
    """Clear each topic and see it gone: it may be written again at once by an agent that lives.

    Raises:
        NotClearedError: One was not seen without a message.
    """
    waiting = {(name, kind) for name in request.devices for kind in forget_plan.RETAINED}
    for name in request.devices:
        for kind in forget_plan.RETAINED:
            write_retained(session, request.topics.device(kind, name), b"")

    def gone() -> bool:
        kept = {name: forget_plan.kept(seen.device(name)) for name in request.devices}
        waiting.difference_update([(n, kind) for n, kind in waiting if kind not in kept[n]])
        return not waiting

    seen.wait(gone, CLEARED_SECONDS)
    if waiting:
        raise NotClearedError(
            {
                name: f"the broker keeps {', '.join(kinds)}"
                for name in request.devices
                if (kinds := [k for k in forget_plan.RETAINED if (name, k) in waiting])
            }
        )
