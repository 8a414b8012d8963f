"""A plan with one of its cuts elsewhere: what that would be worth, and whether it fits. Pure."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

import msgspec

from fleet.model_plan.candidate import Candidate, Group, grouped, lacking
from fleet.model_plan.setting import Setting
from fleet.planner.problem import Goal

REACH: Final = 8
"""Blocks that a cut is moved by at a time."""
LEAST_GAIN: Final = 1e-9
"""A plan that is better by less than this share is none."""


class Moves(msgspec.Struct, frozen=True):
    """One cut of a plan at other places, all else as it is."""

    at: int
    """The block that it is behind."""
    found: dict[int, Candidate | None]
    """By the block that it would be behind, itself included; None: it does not fit."""


def moved(
    setting: Setting, chosen: Candidate, allowed: Sequence[str], reach: int
) -> Iterator[Moves]:
    """Yield what each cut would make of the plan up to ``reach`` blocks earlier and later."""
    for place, (here, there) in enumerate(pairwise(chosen.groups)):
        first, end = max(here.first, here.last - reach), min(there.last, here.last + reach + 1)
        found: dict[int, Candidate | None] = {}
        for at in range(first, end):
            groups = list(chosen.groups)
            groups[place] = Group(here.first, at, here.devices)
            groups[place + 1] = Group(at + 1, there.last, there.devices)
            one = grouped(setting, groups, allowed)
            fits = not lacking(setting, one) and _pins_hold(setting, groups)
            found[at] = one if fits else None
        yield Moves(here.last, found)


def improved(setting: Setting, chosen: Candidate, allowed: Sequence[str], goal: Goal) -> Candidate:
    """Return the plan with its cuts moved for as long as that makes it better."""
    while True:
        every = [
            one
            for moves in moved(setting, chosen, allowed, REACH)
            for one in moves.found.values()
            if one is not None
        ]
        best = min(every, key=lambda one: one.objective(goal), default=chosen)
        if best.objective(goal) >= chosen.objective(goal) * (1 - LEAST_GAIN):
            return chosen
        chosen = best


def _pins_hold(setting: Setting, groups: Sequence[Group]) -> bool:
    return all(
        set(group.devices) == {device}
        for block, device in setting.pins.items()
        for group in groups
        if group.first <= block <= group.last
    )
