"""Undeploy a pipeline: its devices are ordered to run it no more, then its route is cleared."""

import time
from dataclasses import dataclass
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from fleet.control import deploy_plan, deploy_progress
from fleet.control.control_writer import write_retained
from fleet.control.deploy_errors import DevicesError, NotDeployedError
from fleet.control.deploy_progress import Progress, ProgressHandler
from fleet.control.observe import GRACE_SECONDS, Observer
from fleet.control.orders import Orders
from fleet.control.reading import read_ordered
from wire import ids
from wire.session import Session
from wire.topics import Site

LOOK_SECONDS: Final = 0.5


class UndeployRefusedError(DevicesError):
    """A device refuses the order to stop; the route stays."""

    code = "undeploy.refused"
    exit_code = 8
    advice = "undeploy with a key that the devices trust"


@dataclass(frozen=True, slots=True, kw_only=True)
class UndeployRequest:
    """What to undeploy."""

    topics: Site
    pipeline: str
    devices: tuple[str, ...] = ()
    """Devices that may run it, besides those of its route."""
    trusted: tuple[Ed25519PublicKey, ...] = ()
    """Whose orders are carried on, besides those of our own key."""
    force: bool = False
    """Stop what devices run by orders that cannot be proved, instead of refusing."""
    settle_seconds: float = 20.0
    """How long the devices may take to release it."""


class Undeployment(msgspec.Struct, frozen=True, kw_only=True):
    """What was undeployed."""

    pipeline: str
    epoch: int
    devices: tuple[str, ...]
    """Those that were ordered."""
    absent: tuple[str, ...] = ()
    """Of those, the ones that are not online: they obey when they come back."""
    leftovers: tuple[str, ...] = ()
    """Of those, the ones that had not released it in time; they are ordered to."""


def undeploy(
    request: UndeployRequest,
    session: Session,
    key: Ed25519PrivateKey,
    progress: ProgressHandler = lambda _: None,
) -> Undeployment:
    """Order every device of a pipeline to run it no more and clear its route.

    Args:
        request: What.
        session: Up; its subscriptions to the topics of these devices are replaced.
        key: Signs the orders.
        progress: Called in this thread whenever something changed.

    Raises:
        BadIdError: A name is no id.
        NotDeployedError: It has no route, and no devices were named.
        OrdersUnknownError: A device runs what nobody can prove was ordered.
        UndeployRefusedError: A device refused the order.
        BrokerUnreachableError: The broker went away.
    """
    ids.checked(request.pipeline, "pipeline")
    with Observer(session, request.topics) as seen:
        orders = Orders(session, request.topics, key, seen)
        keys = (key.public_key(), *request.trusted)
        return _Undeploying(request, session, keys, progress, seen, orders).run()


@dataclass(slots=True)
class _Undeploying:
    """One undeploy under way."""

    request: UndeployRequest
    session: Session
    keys: tuple[Ed25519PublicKey, ...]
    progress: ProgressHandler
    seen: Observer
    orders: Orders

    def run(self) -> Undeployment:
        """Carry it out."""
        pipeline, topics = self.request.pipeline, self.request.topics
        self.seen.watch_route(pipeline)
        self.seen.watch_devices(self.request.devices)
        route = self.seen.wait(lambda: self.seen.route(pipeline), GRACE_SECONDS)
        devices = dict.fromkeys(self.request.devices)
        devices |= dict.fromkeys(stage.device for stage in route.stages) if route else {}
        if not devices:
            raise NotDeployedError(pipeline, str(self.session.url))
        self.seen.watch_devices(devices)
        self.seen.wait(lambda: all(self.seen.device(d).status for d in devices), GRACE_SECONDS)
        self.progress(Progress("reading", f"what {', '.join(devices)} run"))
        ordered = read_ordered(
            self.seen,
            devices,
            topics.site,
            self.keys,
            force=self.request.force,
            must_answer=False,
        )
        plan = deploy_plan.plan_undeploy(pipeline, topics.site, ordered, route, time.time_ns())
        self.progress(Progress("settling", f"{', '.join(devices)} drain and release it"))
        for desired in plan.settle:
            self.orders.give(desired)
        leftovers = self._await_gone()
        self.progress(Progress("routing", "the route is cleared"))
        write_retained(self.session, topics.topic("route", pipeline=pipeline), b"")
        return Undeployment(
            pipeline=pipeline,
            epoch=plan.epoch,
            devices=tuple(devices),
            absent=tuple(name for name in devices if not self.seen.device(name).online),
            leftovers=leftovers,
        )

    def _await_gone(self) -> tuple[str, ...]:
        """Wait until no device runs the pipeline; return those that still do in the end.

        Raises:
            UndeployRefusedError: A device refused; what stood there before is put back.
        """
        given = self.orders.given
        ends = time.monotonic() + self.request.settle_seconds

        def leftovers() -> tuple[str, ...]:
            states = {name: self.seen.device(name) for name in given}
            return deploy_progress.leftovers(states, self.request.pipeline, None)

        while leftovers() and time.monotonic() < ends:
            if self.orders.refused():
                refused = self.orders.refused_in_the_end()
                for name in refused:
                    self.orders.take_back(name)
                raise UndeployRefusedError(
                    {name: f"{why.code} ({why.message})" for name, why in refused.items()}
                )
            self.seen.wait(lambda: not leftovers(), LOOK_SECONDS)
        return leftovers()
