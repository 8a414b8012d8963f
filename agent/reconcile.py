"""Desired state against what is there: what is accepted, what to start, what to revoke.

Pure. A desired state is the whole truth for its device: what it lists is started, what it does
not list is revoked, and nothing is ever done because of a message that did not come.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from agent.lifecycle import State
from wire import ids, plugins
from wire.errors import BadIdError, CodedError
from wire.messages import Assignment, Desired

MAX_ASSIGNMENTS: Final = 64


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
    assignments: Mapping[str, Assignment] = field(default_factory=dict)
    """The assignments accepted last, by key."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do so that what is there becomes what is wanted."""

    start: tuple[Assignment, ...]
    revoke: tuple[str, ...]


def check(desired: Desired, site: str, device: str, known: Known) -> None:
    """Check that ``desired`` is for us and is news.

    Raises:
        RefusedDesiredError: For another device, or an assignment cannot be understood.
        ConflictError: Older than what is known.
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
    if len(desired.assignments) > MAX_ASSIGNMENTS:
        raise RefusedDesiredError(
            f"{len(desired.assignments)} assignments (at most {MAX_ASSIGNMENTS})"
        )
    keys = [assignment.key for assignment in desired.assignments]
    if len(set(keys)) != len(keys):
        raise RefusedDesiredError("two assignments have one pipeline, generation and stage")
    for assignment in desired.assignments:
        _check_assignment(assignment, known)


def _check_assignment(assignment: Assignment, known: Known) -> None:
    try:
        ids.checked(assignment.pipeline, "pipeline")
        ids.checked(assignment.segment, "segment")
        for peer in (*assignment.peers.upstream, *assignment.peers.downstream):
            ids.checked(peer.device, "peer")
    except BadIdError as error:
        raise RefusedDesiredError(str(error)) from error
    if assignment.runtime not in plugins.names("agent.runtimes"):
        raise RefusedDesiredError(f"runtime {assignment.runtime!r:.60} is not known here")
    before = known.assignments.get(assignment.key)
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
