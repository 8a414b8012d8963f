"""Bring back what a broker lost: devices' orders from the devices, routes from the user's list.

    read what the broker holds and what devices report -> ask the devices whose orders are lost
        -> write those back byte by byte -> write the routes of pipelines that serve

Nothing is signed here and no number is made: what comes back was there before. What is still
there is left alone, so doing it twice, or while somebody deploys, changes nothing more.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from fleet.control import proof, restore_plan
from fleet.control.control_writer import write_retained
from fleet.control.deploy_progress import Progress, ProgressHandler
from fleet.control.deployments import Entry
from fleet.control.device_state import DeviceState
from fleet.control.observe import Observer
from fleet.control.proof import Proof
from fleet.control.reading import read_states
from wire import messages
from wire.errors import MessageError
from wire.messages import Reason, Route
from wire.session import Session
from wire.topics import Site

ROUNDS: Final = 3
"""How often orders are written and looked at again: somebody may deploy at the same time."""
COMPLETE: Final = 0
INCOMPLETE: Final = 6
UNPROVED: Final = 8
_UNPROVED: Final = "orders.unproved"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreRequest:
    """What to bring back."""

    topics: Site
    entries: tuple[Entry, ...]
    """The pipelines, as the user deployed them."""
    keys: tuple[Ed25519PublicKey, ...]
    """Whose orders are brought back."""
    ready_seconds: float = 30.0
    """How long devices may take to be there and to serve."""


class RestoredDevice(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one device's orders."""

    device: str
    orders: Literal["present", "restored", "none", "not_restored"]
    """``none``: it was never ordered anything."""
    reason: Reason | None = None
    """Why not, when not."""


class RestoredPipeline(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one pipeline's route."""

    pipeline: str
    generation: int
    """The one that the user deployed last."""
    route: Literal["present", "restored", "not_restored"]
    reason: Reason | None = None
    """Why not, when not."""


class Restoration(msgspec.Struct, frozen=True, kw_only=True):
    """What was brought back."""

    devices: tuple[RestoredDevice, ...]
    pipelines: tuple[RestoredPipeline, ...]

    @property
    def exit_code(self) -> int:
        """What the command line exits with: 0 when nothing is missing any more."""
        if any(found.reason and found.reason.code == _UNPROVED for found in self.devices):
            return UNPROVED
        missing = any(found.reason for found in self.devices)
        return INCOMPLETE if missing or any(found.reason for found in self.pipelines) else COMPLETE


def restore(
    request: RestoreRequest, session: Session, progress: ProgressHandler = lambda _: None
) -> Restoration:
    """Bring back what the broker lost of these pipelines and their devices.

    Args:
        request: What.
        session: Up; its subscriptions to the topics of these devices are replaced.
        progress: Called in this thread whenever something changed.

    Raises:
        BrokerUnreachableError: The broker went away.
    """
    with Observer(session, request.topics) as seen:
        return _Restoring(request, session, progress, seen).run()


@dataclass(slots=True)
class _Restoring:
    """One restore under way."""

    request: RestoreRequest
    session: Session
    progress: ProgressHandler
    seen: Observer

    def run(self) -> Restoration:
        """Carry it out."""
        entries = self.request.entries
        names = tuple(dict.fromkeys(device for entry in entries for device in entry.devices))
        for entry in entries:
            self.seen.watch_route(entry.pipeline)
        self.seen.watch_devices(names)
        ends = time.monotonic() + self.request.ready_seconds
        self.progress(Progress("reading", f"what {', '.join(names)} obey and run"))
        self.seen.wait(lambda: all(map(_is_known, self.seen.devices().values())), _left(ends))
        devices = self._restore_orders(names)
        self.progress(Progress("routing", "routes of pipelines that serve come back"))
        self.seen.wait(lambda: not any(map(self._may_come, entries)), _left(ends))
        return Restoration(devices=devices, pipelines=tuple(map(self._restore_route, entries)))

    def _restore_orders(self, names: tuple[str, ...]) -> tuple[RestoredDevice, ...]:
        """Write back lost orders; look again, since they may have been overtaken meanwhile."""
        written: set[str] = set()
        proofs: dict[str, Proof] = {}
        states: Mapping[str, DeviceState] = {}
        for _ in range(ROUNDS):
            states = read_states(self.seen, names, must_answer=False)
            proofs = {
                name: proof.proved(state, self.request.topics.site, self.request.keys)
                for name, state in states.items()
            }
            lost = {name: p.payload for name, p in proofs.items() if p.lost and p.payload}
            if not lost:
                break
            self.progress(Progress("restoring", f"the orders of {', '.join(lost)}"))
            for name, payload in lost.items():
                if not proof.is_lost(self.seen.device(name)):
                    continue  # somebody gave it other orders just now
                write_retained(self.session, self.request.topics.device("desired", name), payload)
                written.add(name)
        return tuple(_device(states[name], proofs[name], name in written) for name in names)

    def _restore_route(self, entry: Entry) -> RestoredPipeline:
        verdict = self._verdict(entry)
        route: Literal["present", "restored", "not_restored"] = "present"
        if isinstance(verdict, Route):
            topic = self.request.topics.topic("route", pipeline=entry.pipeline)
            write_retained(self.session, topic, messages.encode("route", verdict))
            route = "restored"
        elif verdict is not None:
            route = "not_restored"
        return RestoredPipeline(
            pipeline=entry.pipeline,
            generation=entry.generation,
            route=route,
            reason=verdict if isinstance(verdict, Reason) else None,
        )

    def _may_come(self, entry: Entry) -> bool:
        verdict = self._verdict(entry)
        return isinstance(verdict, Reason) and verdict.code == restore_plan.NOT_SERVED

    def _verdict(self, entry: Entry) -> Route | Reason | None:
        try:
            present = self.seen.route(entry.pipeline)
        except MessageError as error:
            return Reason(code=error.code, message=str(error))
        states = {name: self.seen.device(name) for name in entry.devices}
        return restore_plan.route_to_write(entry, present, states)


def _is_known(state: DeviceState) -> bool:
    """Whether waiting longer would tell nothing more of a device's orders."""
    there = state.online and state.reported is not None
    return there or (state.desired is not None and not proof.is_lost(state))


def _device(state: DeviceState, found: Proof, written: bool) -> RestoredDevice:
    name = state.device
    if found.lost and found.payload:
        message = "the broker does not keep what is written for it"
        reason = Reason(code="orders.not_kept", message=message)
        return RestoredDevice(device=name, orders="not_restored", reason=reason)
    if found.lost:
        code = _UNPROVED if found.shown else "orders.lost"
        reason = Reason(code=code, message=found.problem or "")
        return RestoredDevice(device=name, orders="not_restored", reason=reason)
    if state.desired:
        return RestoredDevice(device=name, orders="restored" if written else "present")
    if state.reported is not None:
        return RestoredDevice(device=name, orders="none")
    message = f"it is {state.presence}, so nobody knows its orders; restore again when it is back"
    reason = Reason(code="device.absent", message=message)
    return RestoredDevice(device=name, orders="not_restored", reason=reason)


def _left(ends: float) -> float:
    return max(0.0, ends - time.monotonic())
