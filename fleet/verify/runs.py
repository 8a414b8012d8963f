"""Run the whole model, or a split's segments one after the other: each in a child, one at a time.

Of what segments give only what later ones read, or the pipeline gives, is kept.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from fleet import children
from fleet.children import RunOptions
from fleet.errors import ChildFailedError, DamagedSplitError
from fleet.verify import reasons
from fleet.verify.subject import Arrays, Subject
from wire.manifest import Segment

Look = Callable[[int, Segment, Arrays], None]
"""Takes the number of a sample, and what a segment gave for it."""


class Progress(NamedTuple):
    """How far a verification is."""

    step: int
    """The run that begins now, counted from 1."""
    of: int
    text: str


class Stopped(NamedTuple):
    """A segment did not run."""

    segment: Segment
    reason: str


@dataclass(slots=True)
class Runs:
    """Runs that report their progress."""

    subject: Subject
    limit_seconds: float
    """For one sample in one child."""
    report: Callable[[Progress], None] = lambda _: None
    planned: int = 0
    """How many runs there will be, as far as is known."""
    begun: int = field(default=0, init=False)

    def whole(
        self, samples: Sequence[Arrays], *, optimisations: bool, fetch: list[str] | None = None
    ) -> list[Arrays]:
        """Return the pipeline's outputs as the whole model gives them, one mapping a sample.

        Raises:
            ChildFailedError: It does not run.
            ChildTimeoutError: It did not end in time.
        """
        assert self.subject.whole is not None
        model = self.subject.runnable or self.subject.whole
        return self.run(model, samples, "whole model", optimisations, fetch)

    def chain(
        self, samples: Sequence[Arrays], *, optimisations: bool, look: Look | None = None
    ) -> list[Arrays] | Stopped:
        """Return the pipeline's outputs as the segments give them, one mapping a sample.

        Raises:
            DamagedSplitError: A segment is none, or does not give what the manifest says.
            ChildTimeoutError: A segment did not end in time.
        """
        have = list(samples)
        for index in range(len(self.subject.manifest.segments)):
            given = self.stage(index, have, optimisations=optimisations, look=look)
            if isinstance(given, Stopped):
                return given
            have = given
        return [{name: arrays[name] for name in self.subject.outputs} for arrays in have]

    def stage(
        self, index: int, have: Sequence[Arrays], *, optimisations: bool, look: Look | None = None
    ) -> list[Arrays] | Stopped:
        """Run one segment; returns what is needed after it, of what was there and what it gave.

        Raises:
            DamagedSplitError: The segment is none, or does not give what the manifest says.
            ChildTimeoutError: It did not end in time.
        """
        segment = self.subject.manifest.segments[index]
        place = self.subject.place(segment)
        feeds = [{spec.name: arrays[spec.name] for spec in segment.inputs} for arrays in have]
        try:
            given = self.run(place, feeds, segment.name, optimisations, None)
        except ChildFailedError as error:
            if error.child_code.startswith("model."):
                raise DamagedSplitError(str(place), error.reason) from error
            return Stopped(segment, reasons.short(error.reason))
        _check(segment, place, given)
        if look is not None:
            for number, arrays in enumerate(given):
                look(number, segment, arrays)
        later = self._later(index)
        return [
            {**_only(old, later), **self._owned(index, new)}
            for old, new in zip(have, given, strict=True)
        ]

    def run(
        self,
        model: Path,
        samples: Sequence[Arrays],
        what: str,
        optimisations: bool,
        fetch: list[str] | None,
    ) -> list[Arrays]:
        """Run one child and return what it gave."""
        self.begun += 1
        how = "on" if optimisations else "off"
        of = max(self.begun, self.planned)
        self.report(Progress(self.begun, of, f"{what}, optimisations {how}"))
        limit = self.limit_seconds * max(1, len(samples))
        options = RunOptions(optimisations=optimisations, limit_seconds=limit)
        return list(children.run(model, samples, options, fetch=fetch).outputs)

    def _later(self, index: int) -> set[str]:
        """Return what is read after segment ``index``, or is an output."""
        after = self.subject.manifest.segments[index + 1 :]
        return {spec.name for segment in after for spec in segment.inputs} | {*self.subject.outputs}

    def _owned(self, index: int, arrays: Arrays) -> dict[str, NDArray[Any]]:
        """Return what is needed later; copied where it outlives the next segment.

        All that a child gave lies in one piece of memory, which any array of it keeps alive.
        """
        last = index + 1 == len(self.subject.manifest.segments)
        later, outlives = self._later(index), set() if last else self._later(index + 1)
        return {
            name: array.copy() if name in outlives else array
            for name, array in arrays.items()
            if name in later
        }


def _only(arrays: Arrays, names: set[str]) -> Arrays:
    return {name: array for name, array in arrays.items() if name in names}


def _check(segment: Segment, place: Path, given: Sequence[Arrays]) -> None:
    for arrays in given:
        missing = [spec.name for spec in segment.outputs if spec.name not in arrays]
        if missing:
            raise DamagedSplitError(str(place), f"the segment gives no tensors {missing}")
