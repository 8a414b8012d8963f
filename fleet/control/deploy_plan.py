"""What to tell which device so that a pipeline comes, moves or goes. Pure: no I/O, no clock.

Make before break: first every device of the new generation gets it *beside* what it runs
(``make``). When all of it serves, the route moves, and only then the older generations are taken
away (``settle``). When it does not get to serve, ``withdraw`` puts the devices back.

Three numbers order all that is written: the epoch grows with every deploy or undeploy, the
revision with every write to one device, the generation with every deploy of one pipeline.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from fleet.control import assignments
from fleet.control.assignments import Means
from fleet.control.deploy_errors import OrdersGarbledError, OrdersLostError, OrdersUnknownError
from fleet.control.device_state import DeviceState
from fleet.control.direct_links import Links, linked
from fleet.control.proof import proved
from fleet.runtime_choice import AS_USUAL, Chosen, Wish
from wire.manifest import Manifest
from wire.messages import ONE_BY_ONE, Assignment, Batching, Desired, Reported, Route

_GONE: Final = frozenset({"released", "draining"})


@dataclass(frozen=True, slots=True)
class Ordered:
    """What one device was ordered last, as far as it is proved."""

    device: str
    epoch: int = 0
    revision: int = 0
    assignments: tuple[Assignment, ...] = ()
    generations: Mapping[str, int] = field(default_factory=dict)
    """The highest generation seen of each pipeline, ordered or reported."""
    was_lost: bool = False
    """Whether the device itself had to give it: the broker had lost it."""


@dataclass(frozen=True, slots=True)
class Target:
    """A pipeline as it shall be."""

    pipeline: str
    manifest: Manifest
    devices: tuple[str, ...]
    """One for each segment, in order."""
    codecs: tuple[str, ...] = ()
    """One for each edge that enters a stage; none: all is raw."""
    batching: Batching = ONE_BY_ONE
    links: tuple[str, ...] = ()
    """What carries the frames that each stage sends; none: the broker does."""
    runtimes: Wish = AS_USUAL
    """What shall run the segments."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """The device of each assignment."""
        return tuple(chain.from_iterable(assignments.placement(self.devices)))


@dataclass(frozen=True, slots=True)
class DeployPlan:
    """Everything a deploy will write, in the order of its fields; not yet signed."""

    epoch: int
    generation: int
    assignments: tuple[Assignment, ...]
    """By stage."""
    make: tuple[Desired, ...]
    withdraw: tuple[Desired, ...]
    route: Route
    settle: tuple[Desired, ...]
    was_lost: tuple[str, ...] = ()
    """Devices whose orders the broker had lost."""


@dataclass(frozen=True, slots=True)
class UndeployPlan:
    """Everything an undeploy will write before it clears the route."""

    epoch: int
    settle: tuple[Desired, ...]


def ordered(
    state: DeviceState, site: str, keys: Sequence[Ed25519PublicKey], *, force: bool = False
) -> Ordered:
    """Return what a device was ordered, checked to be ordered by one of ``keys``.

    What we carry on we sign again: an order that nobody can prove must not get our signature.

    Args:
        state: What was read.
        site: The site it must be for.
        keys: Whose orders are carried on.
        force: Drop what is not proved instead of refusing.

    Raises:
        OrdersUnknownError: The order is not signed by one of ``keys``.
        OrdersLostError: The device runs something, and neither it nor the broker shows by what
            order.
        OrdersGarbledError: What stands on the broker is no order of anybody's.
    """
    proof = proved(state, site, keys)
    desired, reported = proof.desired, state.reported
    running = [a for a in reported.assignments if a.phase not in _GONE] if reported else []
    if proof.problem and not force and (running or not proof.lost):
        names = ", ".join(sorted({a.pipeline for a in running}))
        text = f"runs {names}, and {proof.problem}" if proof.lost else proof.problem
        unproved = OrdersUnknownError if proof.shown else OrdersLostError
        raise (OrdersGarbledError if proof.nobodys else unproved)({state.device: text})
    observed = reported.observed if reported else (0, 0)
    written = (desired.epoch, desired.revision) if desired else (0, 0)
    return Ordered(
        state.device,
        epoch=max(written[0], observed[0]),
        revision=max(written[1], observed[1]),
        assignments=desired.assignments if desired else (),
        generations=_generations(desired, reported),
        was_lost=proof.lost and desired is not None,
    )


def _generations(desired: Desired | None, reported: Reported | None) -> dict[str, int]:
    seen = [(a.pipeline, a.generation) for a in desired.assignments] if desired else []
    seen += [(a.pipeline, a.generation) for a in reported.assignments] if reported else []
    return dict(sorted(seen))  # of one pipeline, the highest comes last and stays


def plan_deploy(
    target: Target,
    site: str,
    devices: Mapping[str, Ordered],
    route: Route | None,
    unix_ns: int,
    links: Links | None = None,
    runtimes: Sequence[Chosen] = (),
) -> DeployPlan:
    """Return what to write so that ``target`` serves.

    Args:
        target: What shall be.
        site: The site's id.
        devices: What the devices of ``target`` and of ``route`` were ordered.
        route: The pipeline's route as it is; None: it has none.
        unix_ns: When this is said.
        links: What direct links between the stages need; None: there are none.
        runtimes: What runs each segment on each of its devices; none: the processors do.
    """
    pipeline = target.pipeline
    epoch = _next_epoch(devices.values(), route)
    generation = _next_generation(pipeline, devices.values(), route, epoch)
    what = (target.manifest, pipeline, generation)
    means = Means(target.codecs, target.batching, target.links, runtimes)
    made = linked(assignments.assignments(*what, target.devices, means), links or Links())
    write = _Writer(site, epoch, unix_ns)
    make, withdraw, settle = [], [], []
    for name, before in devices.items():
        new = tuple(a for a, device in zip(made, target.hosts, strict=True) if device == name)
        others = tuple(a for a in before.assignments if a.pipeline != pipeline)
        serving = tuple(a for a in before.assignments if _serves(a, pipeline, route))
        if new:
            make.append(write(name, before.revision + 1, (*others, *serving, *new)))
            withdraw.append(write(name, before.revision + 2, (*others, *serving)))
        if serving or (before.assignments != others and not new):
            settle.append(write(name, before.revision + 2, (*others, *new)))
    return DeployPlan(
        epoch,
        generation,
        made,
        tuple(make),
        tuple(withdraw),
        assignments.route(*what, epoch, target.devices, means),
        tuple(settle),
        tuple(name for name, before in devices.items() if before.was_lost),
    )


def plan_undeploy(
    pipeline: str, site: str, devices: Mapping[str, Ordered], route: Route | None, unix_ns: int
) -> UndeployPlan:
    """Return what to write so that no device runs ``pipeline``; see `plan_deploy`."""
    epoch = _next_epoch(devices.values(), route)
    write = _Writer(site, epoch, unix_ns)
    settle = tuple(
        write(name, before.revision + 1, _without(before.assignments, pipeline))
        for name, before in devices.items()
    )
    return UndeployPlan(epoch, settle)


@dataclass(frozen=True, slots=True)
class _Writer:
    site: str
    epoch: int
    unix_ns: int

    def __call__(self, device: str, revision: int, wanted: tuple[Assignment, ...]) -> Desired:
        return Desired(
            site=self.site,
            device=device,
            epoch=self.epoch,
            revision=revision,
            assignments=wanted,
            issued_unix_ns=self.unix_ns,
        )


def _serves(assignment: Assignment, pipeline: str, route: Route | None) -> bool:
    """Whether it is of this pipeline and clients use it, as far as we know."""
    return assignment.pipeline == pipeline and (
        route is None or assignment.generation == route.generation
    )


def _without(wanted: Iterable[Assignment], pipeline: str) -> tuple[Assignment, ...]:
    return tuple(a for a in wanted if a.pipeline != pipeline)


def _next_epoch(devices: Iterable[Ordered], route: Route | None) -> int:
    return max([route.epoch if route else 0, *(d.epoch for d in devices)]) + 1


def _next_generation(
    pipeline: str, devices: Iterable[Ordered], route: Route | None, epoch: int
) -> int:
    """Return the next generation: above all that is seen, and above all that was forgotten.

    Devices remember generations that nothing on the broker shows any more (after an undeploy).
    No generation is ever above the epoch that it came with, so the epoch is above them all.
    """
    seen = [d.generations.get(pipeline, 0) for d in devices]
    return max([route.generation if route else 0, epoch - 1, *seen]) + 1
