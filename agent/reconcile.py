"""Desired state against what is there: what is accepted, what to start, what to revoke.

Pure. A desired state is the whole truth for its device: what it lists is started, what it does
not list is revoked, and nothing is ever done because of a message that did not come.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from agent.artifacts.store_errors import BadFilesError
from agent.artifacts.store_files import check_files
from agent.lifecycle import State
from wire import ids
from wire.errors import BadIdError, CodedError
from wire.manifest import MOST_QUANTA
from wire.messages import Assignment, Batching, Contract, Desired, Limits, Peers
from wire.tensors import ELEMENT_TYPES, MAX_RANK, TensorSpec
from wire.topics import MAX_GENERATION, MAX_STAGE

MAX_ASSIGNMENTS: Final = 64
MAX_REPLICAS: Final = 64
MAX_BATCH: Final = 256
MAX_BATCH_WAIT_SECONDS: Final = 1.0
MAX_LIMIT: Final = (1 << 62) - 1
"""What an assignment may ask for at most, whatever its unit: the kernel takes no more."""


class RefusedDesiredError(CodedError):
    """A desired state that is not obeyed; what ran goes on running."""

    code = "desired.refused"
    exit_code = 8

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"desired state: {self.problem}; what ran goes on running"


class ConflictError(RefusedDesiredError):
    """A desired state older than what is known, or that changes what a generation means."""

    code = "desired.conflict"


@dataclass(frozen=True, slots=True)
class Known:
    """What a device remembers of the desired states it accepted."""

    epoch: int = 0
    revision: int = 0
    generations: Mapping[str, int] = field(default_factory=dict)
    """The highest generation of each pipeline."""
    assignments: Mapping[str, Assignment] | None = None
    """The assignments accepted last, by key; None: the numbers are known, but not these."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do so that what is there becomes what is wanted."""

    start: tuple[Assignment, ...]
    revoke: tuple[str, ...]


def check(
    desired: Desired, site: str, device: str, known: Known, runtimes: Collection[str]
) -> None:
    """Check that ``desired`` is for us, is news, and can be understood.

    Args:
        desired: What came.
        site: Our site.
        device: Our id.
        known: What was accepted before.
        runtimes: The names of the runtimes that there are here.

    Raises:
        RefusedDesiredError: For another device, or an assignment cannot be understood.
        ConflictError: Older than what is known, or what is known means something else.
    """
    if (desired.site, desired.device) != (site, device):
        raise RefusedDesiredError(
            f"is for {desired.site}/{desired.device} (expected {site}/{device})"
        )
    if (desired.epoch, desired.revision) < (known.epoch, known.revision):
        raise ConflictError(
            f"epoch {desired.epoch}, revision {desired.revision} is older than"
            f" {known.epoch}, {known.revision}"
        )
    if min(desired.epoch, desired.revision) < 0:
        raise RefusedDesiredError("epoch or revision is negative")
    if len(desired.assignments) > MAX_ASSIGNMENTS:
        raise RefusedDesiredError(
            f"{len(desired.assignments)} assignments (at most {MAX_ASSIGNMENTS})"
        )
    keys = [assignment.key for assignment in desired.assignments]
    if len(set(keys)) != len(keys):
        raise RefusedDesiredError("two assignments have one pipeline, generation and stage")
    for assignment in desired.assignments:
        _check_assignment(assignment, runtimes)
        _check_history(assignment, known)
    _check_same_numbers(desired, known)


def _check_assignment(assignment: Assignment, runtimes: Collection[str]) -> None:
    """Check what is written in one assignment, without regard to what was before."""
    try:
        ids.checked(assignment.pipeline, "pipeline")
        ids.checked(assignment.segment, "segment")
        for peer in (*assignment.peers.upstream, *assignment.peers.downstream):
            ids.checked(peer.device, "peer")
        check_files(assignment.files)
    except (BadIdError, BadFilesError) as error:
        raise RefusedDesiredError(str(error)) from error
    key = f"{assignment.pipeline} {assignment.generation}-{assignment.stage}"
    if not 1 <= assignment.generation <= MAX_GENERATION:
        raise RefusedDesiredError(f"{key}: the generation is not in 1 to {MAX_GENERATION}")
    if not 0 <= assignment.stage <= MAX_STAGE:
        raise RefusedDesiredError(f"{key}: the stage is not in 0 to {MAX_STAGE}")
    if assignment.runtime not in runtimes:
        raise RefusedDesiredError(f"{key}: runtime {assignment.runtime!r:.60} is not known here")
    problem = (
        _peers_problem(assignment.peers)
        or _contract_problem(assignment.contract)
        or _limits_problem(assignment.limits)
        or _batching_problem(assignment.batching)
    )
    if problem is not None:
        raise RefusedDesiredError(f"{key}: {problem}")


def _peers_problem(peers: Peers) -> str | None:
    if any(not 0 <= peer.stage <= MAX_STAGE for peer in (*peers.upstream, *peers.downstream)):
        return f"a peer's stage is not in 0 to {MAX_STAGE}"
    if len({peer.device for peer in peers.upstream}) != len(peers.upstream):
        return "two stages of one device send to it (expected one)"
    if len({peer.stage for peer in peers.downstream}) > 1:
        return "it sends to two stages (expected one at most)"
    if len({peer.device for peer in peers.downstream}) != len(peers.downstream):
        return "it sends to one device twice (expected different replicas)"
    if max(len(peers.upstream), len(peers.downstream)) > MAX_REPLICAS:
        return f"a neighbour has more than {MAX_REPLICAS} replicas"
    return None


def _batching_problem(batching: Batching) -> str | None:
    if not 1 <= batching.max_frames <= MAX_BATCH:
        return f"batches of {batching.max_frames} frames (expected 1 to {MAX_BATCH})"
    if not 0 <= batching.max_wait_seconds <= MAX_BATCH_WAIT_SECONDS:
        return f"a batch waits {batching.max_wait_seconds} s (at most {MAX_BATCH_WAIT_SECONDS} s)"
    return None


def _contract_problem(contract: Contract) -> str | None:
    """Return why no frame could be served under ``contract``."""
    for specs in (contract.receives, contract.sends, contract.inputs, contract.outputs):
        names = [spec.name for spec in specs]
        if len(set(names)) != len(names):
            return f"two tensors have one name ({names!r:.200})"
        problem = next(filter(None, map(_spec_problem, specs)), None)
        if problem is not None:
            return problem
    received = {spec.name for spec in contract.receives}
    made = {spec.name for spec in contract.outputs}
    missing = {spec.name for spec in contract.inputs} - received
    missing |= {spec.name for spec in contract.sends} - received - made
    if missing:
        return f"nothing brings or makes the tensors {sorted(missing)!r:.200}"
    if min(contract.tolerance.absolute, contract.tolerance.relative) < 0:
        return "the tolerance is negative"
    if not 0 <= contract.quanta <= MOST_QUANTA:
        return f"it allows to be {contract.quanta} steps off (0 to {MOST_QUANTA})"
    return None


def _spec_problem(spec: TensorSpec) -> str | None:
    if spec.dtype not in ELEMENT_TYPES:
        return f"tensor {spec.name!r:.80} has element type {spec.dtype}, which cannot travel"
    if len(spec.shape) > MAX_RANK:
        return f"tensor {spec.name!r:.80} has rank {len(spec.shape)} (at most {MAX_RANK})"
    if any(isinstance(size, int) and not 0 <= size <= MAX_LIMIT for size in spec.shape):
        return f"tensor {spec.name!r:.80} has an impossible shape"
    return None


def _limits_problem(limits: Limits) -> str | None:
    for name in limits.__struct_fields__:
        value = getattr(limits, name)
        if value is not None and not 1 <= value <= MAX_LIMIT:
            return f"limit {name} is {value} (expected 1 to {MAX_LIMIT})"
    return None


def _check_same_numbers(desired: Desired, known: Known) -> None:
    """One epoch and revision say one thing: another content with them has another writer."""
    same = (desired.epoch, desired.revision) == (known.epoch, known.revision)
    content = {assignment.key: assignment for assignment in desired.assignments}
    if same and known.assignments is not None and content != known.assignments:
        raise ConflictError(
            f"epoch {desired.epoch}, revision {desired.revision} says something else than before"
        )


def _check_history(assignment: Assignment, known: Known) -> None:
    """Check an assignment against what was accepted last."""
    before = (known.assignments or {}).get(assignment.key)
    if before is not None:
        if before != assignment:
            raise ConflictError(f"{assignment.key} means something else than before")
        return
    highest = known.generations.get(assignment.pipeline, 0)
    if assignment.generation < highest:
        raise ConflictError(
            f"generation {assignment.generation} of {assignment.pipeline} is older than {highest}"
        )


def remembered(desired: Desired, known: Known) -> Known:
    """Return what is known after ``desired`` was accepted."""
    generations = dict(known.generations)
    for assignment in desired.assignments:
        before = generations.get(assignment.pipeline, 0)
        generations[assignment.pipeline] = max(before, assignment.generation)
    return Known(
        epoch=desired.epoch,
        revision=desired.revision,
        generations=generations,
        assignments={assignment.key: assignment for assignment in desired.assignments},
    )


def plan(wanted: Mapping[str, Assignment], present: Mapping[str, State]) -> Plan:
    """Return what to start and what to revoke."""
    return Plan(
        start=tuple(a for key, a in wanted.items() if key not in present),
        revoke=tuple(
            key
            for key, state in present.items()
            if key not in wanted and state not in {State.DRAINING, State.RELEASED}
        ),
    )
