"""Deploy a split model to devices: order, watch until all of it serves, move the route, clean up.

    read what devices run and were ordered -> make beside it -> wait for SERVING
        -> route -> settle: older generations go
        `-> (failed, refused, too late, interrupted) withdraw: as it was before

What is written is decided in `fleet.control.deploy_plan`; how far it is, in
`fleet.control.deploy_progress`.
"""

import contextlib
import secrets
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from fleet import artifacts, edge_codecs, edge_links, runtime_choice, split_folder
from fleet.control import assignments, deploy_plan, deploy_progress, fetching, readiness
from fleet.control.control_writer import write_retained
from fleet.control.deploy_errors import DeployFailedError, DevicesUnableError
from fleet.control.deploy_failure import failure
from fleet.control.deploy_plan import DeployPlan, Target
from fleet.control.deploy_progress import Progress, ProgressHandler, StageProgress, Verdict
from fleet.control.direct_links import TOKEN_BYTES, Links
from fleet.control.observe import GRACE_SECONDS, Observer
from fleet.control.orders import Orders
from fleet.control.reading import await_devices, read_ordered
from fleet.runtime_choice import Chosen
from wire import ids, link_names, messages
from wire.codec_names import DEFAULT
from wire.errors import BrokerUnreachableError, CodedError
from wire.messages import ONE_BY_ONE, Batching, Reason, Route, RouteStage
from wire.session import Session
from wire.topics import Site

log = structlog.get_logger()

LOOK_SECONDS: Final = 0.5
"""How often progress is judged when nothing is heard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployRequest:
    """What to deploy, and where."""

    topics: Site
    folder: Path
    """What a split wrote."""
    devices: tuple[str, ...]
    """One for each segment, in order; one may stand twice, ``d2+d3`` are replicas."""
    name: str | None = None
    """The pipeline's; None: the manifest's."""
    segment: str | None = None
    """Deploy this segment alone, as a pipeline of its own."""
    codecs: str = DEFAULT
    """How tensors are written on each edge, as `fleet.edge_codecs` understands it."""
    batching: Batching = ONE_BY_ONE
    """Of every segment that can run several frames at once."""
    link: str = link_names.DEFAULT
    """What carries frames from stage to stage, as `fleet.edge_links` understands it."""
    runtime: str = runtime_choice.AUTO
    """What runs the segments, as `fleet.runtime_choice` understands it."""
    require_accelerator: bool = False
    """Whether devices shall fail rather than fall back to their processors."""
    serve: str | None = None
    """``HOST:PORT`` to serve the artifacts at until all is done; None: somebody else does."""
    trusted: tuple[Ed25519PublicKey, ...] = ()
    """Whose orders are carried on, besides those of our own key."""
    force: bool = False
    """Stop what devices run by orders that cannot be proved, instead of refusing."""
    timeout_seconds: float = 120.0
    """From the order to SERVING of every stage."""
    ready_seconds: float = 3.0
    """How long the devices may take to be there."""
    settle_seconds: float = 20.0
    """How long older generations may take to be gone."""


class Degraded(msgspec.Struct, frozen=True, kw_only=True):
    """A stage that serves on less than was asked for."""

    stage: int
    device: str
    reason: Reason


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """What was deployed."""

    pipeline: str
    generation: int
    epoch: int
    manifest: str
    """The manifest's digest."""
    stages: tuple[RouteStage, ...]
    route: Route
    """What clients follow, as it was published."""
    serving_seconds: float
    """From the order to SERVING of every stage."""
    leftovers: tuple[str, ...] = ()
    """Devices that had not released an older generation in time; they are ordered to."""
    was_lost: tuple[str, ...] = ()
    """Devices whose orders the broker had lost; they gave them themselves."""
    codecs: tuple[str, ...] = ()
    """One for each edge that enters a stage, by stage."""
    link: str = link_names.DEFAULT
    """What carries frames from stage to stage."""
    degraded: tuple[Degraded, ...] = ()
    """Stages that serve on less than was asked for."""


def deploy(
    request: DeployRequest,
    session: Session,
    key: Ed25519PrivateKey,
    progress: ProgressHandler = lambda _: None,
) -> Deployment:
    """Deploy a split model and return when it serves.

    Args:
        request: What and where.
        session: Up; its subscriptions to the topics of these devices are replaced.
        key: Signs the orders.
        progress: Called in this thread whenever something changed.

    Raises:
        ManifestError: The folder's manifest is not one.
        DamagedSplitError: Its files are not those of the manifest.
        PlacementError: Not one device for each segment.
        CodecChoiceError: Codecs are chosen for edges that are not there.
        RuntimeChoiceError: Runtimes are chosen for stages or devices that are not there.
        LinkChoiceError: Links are chosen for stages that send to none.
        UnknownPluginError: There is no such codec or link.
        DevicesAbsentError: Devices are not there.
        DevicesUnableError: Devices lack a runtime, codec or link, or speak another version.
        OrdersUnknownError: A device runs what nobody can prove was ordered, or has nobody's order.
        ListenError: The artifacts cannot be served at that address.
        DeployFailedError: A segment does not get to serve; its subclasses: `DeployTimeoutError`,
            `DeployRefusedError`, `DeploySupersededError`, `DeployUnfetchedError`. The devices are
            put back.
        BrokerUnreachableError: The broker went away.
    """
    target = checked(request)
    served = _served(request)
    with served, Observer(session, request.topics) as seen:
        orders = Orders(session, request.topics, key, seen)
        keys = (key.public_key(), *request.trusted)
        return _Deploying(request, target, session, keys, progress, seen, orders).run()


def checked(request: DeployRequest) -> Target:
    """Return what shall be, checked as far as it can be without asking anybody.

    Raises:
        CodedError: The folder, its files, a name or the placement is wrong; see `deploy`.
    """
    manifest = split_folder.read(request.folder)
    name = request.name or manifest.name
    if request.segment is not None:
        manifest = assignments.single_segment_manifest(manifest, request.segment)
        name = request.name or ids.id_from(f"{name}-{request.segment}", request.segment)
    ids.checked(name, "pipeline")
    assignments.check_placement(manifest, name, request.devices)
    codecs = edge_codecs.parsed(request.codecs, len(manifest.segments))
    links = edge_links.parsed(request.link, len(manifest.segments))
    places = assignments.placement(request.devices)
    runtimes = runtime_choice.parsed(request.runtime, places, required=request.require_accelerator)
    target = Target(name, manifest, request.devices, codecs, request.batching, links, runtimes)
    for device in target.hosts:
        ids.checked(device, "device")
    if request.batching.max_frames > 1:
        assignments.check_batching(manifest, name)
    return target


def _served(request: DeployRequest) -> AbstractContextManager[object]:
    if request.serve is None:
        return contextlib.nullcontext()
    return artifacts.serve([request.folder], request.serve)


@dataclass(slots=True)
class _Deploying:
    """One deploy under way."""

    request: DeployRequest
    target: Target
    session: Session
    keys: tuple[Ed25519PublicKey, ...]
    progress: ProgressHandler
    seen: Observer
    orders: Orders
    told: Progress | None = None

    def run(self) -> Deployment:
        """Carry it out."""
        plan = self._planned()
        began = time.monotonic()
        try:
            self._tell("ordering", f"generation {plan.generation} to {self._device_names()}")
            for desired in plan.make:
                self.orders.give(desired)
            serving = self._await_serving(plan)
            self._tell("routing", f"the entry moves to generation {plan.generation}")
            self._write_route(plan.route)
        except DeployFailedError:
            raise
        except BaseException:
            self._withdraw(plan)
            raise
        serving_seconds = time.monotonic() - began
        leftovers = self._settle(plan)
        return Deployment(
            pipeline=plan.route.pipeline,
            generation=plan.generation,
            epoch=plan.epoch,
            manifest=plan.route.manifest,
            stages=plan.route.stages,
            route=plan.route,
            serving_seconds=serving_seconds,
            leftovers=leftovers,
            was_lost=plan.was_lost,
            codecs=self.target.codecs,
            link=edge_links.text(self.target.links),
            degraded=tuple(
                Degraded(stage=one.stage, device=one.device, reason=one.reason)
                for one in serving
                if one.reason
            ),
        )

    def _planned(self) -> DeployPlan:
        """Read what there is and return what to write."""
        self._tell("reading", f"what {self._device_names()} run")
        pipeline, site = self.target.pipeline, self.request.topics.site
        self.seen.watch_route(pipeline)
        self.seen.watch_devices(self.target.hosts)
        await_devices(
            self.seen,
            self.target.hosts,
            self.request.ready_seconds,
            lambda text: self._tell("reading", text),
        )
        keys, force = self.keys, self.request.force
        ordered = read_ordered(
            self.seen, self.target.hosts, site, keys, force=force, must_answer=True
        )
        route = self.seen.route(pipeline)
        left = _route_devices(route) - set(ordered)
        if left:
            self.seen.watch_devices(left)
            self.seen.wait(lambda: all(self.seen.device(d).status for d in left), GRACE_SECONDS)
            ordered |= read_ordered(self.seen, left, site, keys, force=force, must_answer=False)
        plan = deploy_plan.plan_deploy(
            self.target, site, ordered, route, time.time_ns(), self._links(), self._runtimes()
        )
        unable = readiness.inabilities(
            plan.assignments, self.target.hosts, self.seen.devices(), plan.route.codec
        )
        if unable:
            raise DevicesUnableError(unable)
        return plan

    def _links(self) -> Links:
        """Return what direct links need, with what their devices tell of themselves."""
        told = {device: self.seen.device(device).info for device in self.target.hosts}
        certificates = {device: info.certificate for device, info in told.items() if info}
        return Links(secrets.token_hex(TOKEN_BYTES), certificates)

    def _runtimes(self) -> tuple[Chosen, ...]:
        """Return what runs the segments, by what their devices have proved."""
        states = {device: self.seen.device(device) for device in self.target.hosts}
        infos = {device: state.info for device, state in states.items()}
        used = {
            device: runtime_choice.in_use(state.reported, self.target.pipeline)
            for device, state in states.items()
        }
        places = assignments.placement(self.target.devices)
        return runtime_choice.chosen(
            self.target.manifest.segments, places, infos, self.target.runtimes, used
        )

    def _write_route(self, route: Route) -> None:
        topic = self.request.topics.topic("route", pipeline=route.pipeline)
        write_retained(self.session, topic, messages.encode("route", route))

    def _await_serving(self, plan: DeployPlan) -> tuple[StageProgress, ...]:
        """Wait until every stage serves; return how.

        Raises:
            DeployFailedError: One never will, or not in time; the devices were put back.
        """
        ends = time.monotonic() + self.request.timeout_seconds
        while True:
            before = self.seen.devices()
            stages = self._stages(plan)
            self._tell("starting", "waiting for the segments to serve", stages)
            verdicts = {stage.verdict for stage in stages}
            if verdicts == {Verdict.SERVING}:
                return stages
            late = time.monotonic() >= ends
            if late or verdicts - {Verdict.SERVING, Verdict.WAITING}:
                raise self._failure(plan)
            left = max(0.0, ends - time.monotonic())
            self.seen.wait(lambda: self.seen.devices() != before, min(LOOK_SECONDS, left))  # noqa: B023 called at once

    def _stages(self, plan: DeployPlan) -> tuple[StageProgress, ...]:
        states = self.seen.devices()
        found = deploy_progress.stages(
            plan.assignments,
            self.target.hosts,
            self.orders.given,
            states,
            self.orders.waited_seconds,
        )
        return fetching.judged(found, fetching.served(self.request.serve, states))

    def _failure(self, plan: DeployPlan) -> DeployFailedError:
        """Put the devices back and return why."""
        self.orders.refused_in_the_end()  # so that every device's reason is told
        stages = self._stages(plan)
        restored = self._withdraw(plan)
        served = fetching.served(self.request.serve, self.seen.devices())
        timeout = self.request.timeout_seconds
        return failure(self.target.pipeline, stages, timeout, served, restored=restored)

    def _withdraw(self, plan: DeployPlan) -> bool:
        """Put back the devices that were given orders and were given no others since."""
        self._tell("withdrawing", "the devices go back to what they ran")
        refused = self.orders.refused_in_the_end()
        restored = True
        for desired in plan.withdraw:
            device = desired.device
            if device not in self.orders.given or not self.orders.is_newest(device):
                continue
            try:
                if device in refused:
                    self.orders.take_back(device)
                else:
                    self.orders.give(desired)
            except CodedError as error:
                restored = False
                log.error("device.not_restored", device=device, error=str(error))
                if isinstance(error, BrokerUnreachableError):
                    break  # nor can the others be reached
        return restored

    def _settle(self, plan: DeployPlan) -> tuple[str, ...]:
        """Take older generations away; return the devices that still had one in the end."""
        if not plan.settle:
            return ()
        self._tell("settling", "older generations drain")
        for desired in plan.settle:
            self.orders.give(desired)
        return self._await_gone([desired.device for desired in plan.settle], plan.generation)

    def _await_gone(self, devices: Iterable[str], generation: int) -> tuple[str, ...]:
        names = list(devices)

        def leftovers() -> tuple[str, ...]:
            states = {name: self.seen.device(name) for name in names}
            return deploy_progress.leftovers(states, self.target.pipeline, generation)

        self.seen.wait(lambda: not leftovers(), self.request.settle_seconds)
        return leftovers()

    def _device_names(self) -> str:
        return ", ".join(dict.fromkeys(self.target.hosts))

    def _tell(self, step: str, text: str, stages: tuple[StageProgress, ...] = ()) -> None:
        told = Progress(step, text, stages)
        if told != self.told:
            self.told = told
            self.progress(told)


def _route_devices(route: Route | None) -> set[str]:
    return {stage.device for stage in route.stages} if route else set()
