"""What the agent must know again after a power cut. Pure; `agent.journal_file` keeps it."""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from msgspec.structs import replace

SCHEMA: Final = 1
MAX_PIPELINES: Final = 256
"""Pipelines whose generation is remembered besides those that are assigned."""


class Progress(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far one assignment was."""

    state: str
    """A state of the life of an assignment."""
    restarts_without_serving: int = 0
    """How often the agent started since this assignment last served."""


class Journal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is kept."""

    schema: int = SCHEMA
    start_counter: int = 0
    """How often this agent has started: the upper half of its session numbers."""
    epoch: int = 0
    revision: int = 0
    generations: dict[str, int] = {}
    """The highest generation accepted, by pipeline."""
    desired: str | None = None
    """The signed desired state as it came, to be checked again; None: none is known."""
    assignments: dict[str, Progress] = {}
    """By its key; one that has never failed nor was taken up again is not here."""


def started(journal: Journal) -> Journal:
    """Return the journal of an agent that has started once more."""
    return replace(journal, start_counter=journal.start_counter + 1)


def accepted(
    journal: Journal,
    desired: str,
    *,
    epoch: int,
    revision: int,
    generations: Mapping[str, int],
) -> Journal:
    """Return the journal after a desired state was accepted.

    Args:
        journal: Before.
        desired: The signed message as it came.
        epoch: Its epoch.
        revision: Its revision.
        generations: The highest generation it names, by pipeline.
    """
    others = {k: g for k, g in journal.generations.items() if k not in generations}
    # some are forgotten when there are too many; (epoch, revision) still guards those
    remembered = sorted(others, key=lambda name: (-others[name], name))[:MAX_PIPELINES]
    highest = {k: max(g, journal.generations.get(k, g)) for k, g in generations.items()}
    return replace(
        journal,
        desired=desired,
        epoch=epoch,
        revision=revision,
        generations={**{name: others[name] for name in remembered}, **highest},
    )


def progressed(journal: Journal, key: str, state: str, *, serving: bool = False) -> Journal:
    """Return the journal after an assignment came to ``state``.

    ``serving`` ends the count of restarts without it.
    """
    before = journal.assignments.get(key)
    restarts = 0 if serving or before is None else before.restarts_without_serving
    after = Progress(state=state, restarts_without_serving=restarts)
    return replace(journal, assignments={**journal.assignments, key: after})


def restarted(journal: Journal, key: str) -> Journal:
    """Return the journal after an assignment was found unfinished when the agent started."""
    before = journal.assignments.get(key, Progress(state="assigned"))
    after = replace(before, restarts_without_serving=before.restarts_without_serving + 1)
    return replace(journal, assignments={**journal.assignments, key: after})


def keeping(journal: Journal, keys: Iterable[str]) -> Journal:
    """Return the journal without the assignments that are not in ``keys``."""
    kept = set(keys)
    return replace(journal, assignments={k: p for k, p in journal.assignments.items() if k in kept})
