"""What planning came to: stages on devices, what they are worth, and the verdict."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from fleet.planner.problem import Goal

Verdict = Literal["split", "do not split", "infeasible"]


class Stage(msgspec.Struct, frozen=True):
    """Operators of a chain, one after the other, on one device."""

    device: str
    first: int
    """The first operator's index, from 0."""
    last: int
    """The last operator's index, itself included."""


class Placement(msgspec.Struct, frozen=True):
    """What a policy found."""

    stages: tuple[Stage, ...]
    """In the order of the chain; empty: nothing that fits was found."""
    bound_seconds: float | None = None
    """No plan has a lower objective, proven; None: not known. Infinite: nothing fits."""
    others: tuple[tuple[Stage, ...], ...] = ()
    """Other plans worth telling, such as the best split where one device is better."""


class Plan(msgspec.Struct, frozen=True):
    """Stages that fit, and what they are worth for a goal."""

    stages: tuple[Stage, ...]
    objective_seconds: float


class Shortage(msgspec.Struct, frozen=True, kw_only=True):
    """Why nothing fits: what the whole chain needs beside what each device has."""

    needed_bytes: int
    """All weights and the largest activation: what one device would need."""
    available_bytes: dict[str, int | None]
    """Of each device its memory; None: no limit."""
    reasons: tuple[str, ...]
    """Sentences: operators that nothing runs, devices that nothing reaches, memory."""
    nearest_change: str
    """The smallest change that was found to make it fit, in a sentence; empty: none was found."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The plan for one goal, beside the best single device and the best split."""

    goal: Goal
    policy: str
    plan: Plan | None
    """What the policy placed; of `exact` the best of all; None: nothing that fits."""
    optimal: bool
    """Whether it is proven that no plan is better, or, without one, that nothing fits."""
    gap: float | None
    """At most this share of the objective could be saved, proven; 0 when optimal; None: unknown."""
    verdict: Verdict
    single: Plan | None
    """The best plan of one device; None: the whole chain fits none."""
    split: Plan | None
    """The best plan of two stages or more that the policy found; None: it found none."""
    cut_space: str
    shortage: Shortage | None = None
    """Only when nothing fits."""


def describes(stages: Sequence[Stage]) -> str:
    """Return stages in short, such as ``d0 0-3, d1 4-9``."""
    return ", ".join(f"{stage.device} {stage.first}-{stage.last}" for stage in stages)
