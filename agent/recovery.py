"""When an accelerator that a segment lost is looked for, and used again. Pure: ``now`` in seconds.

It is used again once it was seen to work for a while without a break. Each time that fails, or
does not last, the while is twice as long: a stick that shakes in its port costs an error an hour.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from msgspec.structs import replace as with_fields

from wire.messages import RuntimeInfo

LONGEST_WAIT_SECONDS: Final = 3600.0
LONGEST_PAUSE: Final = 16
"""What is not there is looked for at least once in so many times the usual pause."""
LASTS: Final = 10
"""Used for so many times the usual wait, it counts as sound again."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What is known of one accelerator that a segment was asked to run on."""

    look_seconds: float
    """How often it is looked at, at most: a look starts a process."""
    stable_seconds: float
    """How long it must have worked, the first time."""
    wait_seconds: float = 0.0
    """How long it must have worked, this time."""
    looked_at: float | None = None
    pause_seconds: float = 0.0
    works_since: float | None = None
    ordered_at: float | None = None
    """When the worker was told to use it, and has not said what came of it."""
    used_since: float | None = None

    def lost(self, now: float) -> "Recovery":
        """Return what is known once it was lost, could not be opened, or not be used again."""
        before = self.used_since if self.used_since is not None else self.ordered_at
        again = before is not None and now - before < LASTS * self.stable_seconds
        wait = min(2 * self.wait_seconds, LONGEST_WAIT_SECONDS) if again else self.stable_seconds
        return Recovery(self.look_seconds, self.stable_seconds, wait)

    def used(self, now: float) -> "Recovery":
        """Return what is known once the worker uses it."""
        return replace(self, used_since=now, ordered_at=None, works_since=None)

    def wants_look(self, now: float, *, listed: bool | None) -> bool:
        """Whether to look now; ``listed``: whether the kernel lists it, None: nobody can tell."""
        if listed is False or self.ordered_at is not None:
            return False
        return self.looked_at is None or now - self.looked_at >= self._pause(listed=listed)

    def looked(self, now: float, *, works: bool) -> "Recovery":
        """Return what is known after a look."""
        if not works:
            pause = min(2 * self._pause(), LONGEST_PAUSE * self.look_seconds)
            return replace(self, looked_at=now, works_since=None, pause_seconds=pause)
        since = now if self.works_since is None else self.works_since
        return replace(self, looked_at=now, works_since=since, pause_seconds=0.0)

    def unlisted(self) -> "Recovery":
        """Return what is known when the kernel does not list it: it has to be seen from anew."""
        return replace(self, works_since=None, pause_seconds=0.0)

    def ripe(self) -> bool:
        """Whether it is to be used again: it still worked at the end of the wait."""
        if self.works_since is None or self.looked_at is None or self.ordered_at is not None:
            return False
        return self.looked_at - self.works_since >= self.wait_seconds

    def ordered(self, now: float) -> "Recovery":
        """Return what is known once the worker was told to use it."""
        return replace(self, ordered_at=now)

    def forgotten(self) -> "Recovery":
        """Return what is known once the worker that was told to use it has ended."""
        return replace(self, ordered_at=None)

    def _pause(self, *, listed: bool | None = None) -> float:
        """Return how long after a look the next one may be."""
        if listed:  # what is there and does not work is not forgotten for long
            return self.look_seconds
        return max(self.pause_seconds, self.look_seconds)


def proved_anew(
    runtimes: Sequence[RuntimeInfo], fresh: Sequence[RuntimeInfo]
) -> tuple[RuntimeInfo, ...]:
    """Return the runtimes with newer proofs of some: of one runtime, for one accelerator or all."""
    formats = {found.runtime: found.formats for found in runtimes if found.formats}
    fallbacks = {found.runtime: found.fallback for found in runtimes if found.fallback}
    completed = tuple(
        with_fields(
            found,
            formats=found.formats or formats.get(found.runtime, ()),
            fallback=found.fallback or fallbacks.get(found.runtime, ""),
        )
        for found in fresh
    )
    names = {found.runtime for found in fresh}
    places = {(found.runtime, found.accelerator) for found in fresh}

    def stays(found: RuntimeInfo) -> bool:
        nothing = found.accelerator == "none" and found.runtime in names
        return not nothing and (found.runtime, found.accelerator) not in places

    return (*filter(stays, runtimes), *completed)


def without_lost(
    runtimes: Sequence[RuntimeInfo], lost: Mapping[tuple[str, str], str]
) -> tuple[RuntimeInfo, ...]:
    """Return the runtimes as planners may use them: what was lost is not proved.

    Args:
        runtimes: As their proofs showed them.
        lost: Why, by runtime and accelerator; an accelerator without a name is all of them.
    """

    def told(found: RuntimeInfo) -> RuntimeInfo:
        reason = lost.get((found.runtime, found.accelerator)) or lost.get((found.runtime, ""))
        return with_fields(found, proved=False, reason=reason) if reason else found

    return tuple(told(found) for found in runtimes)
