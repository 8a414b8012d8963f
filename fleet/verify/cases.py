"""What to run a split with: golden frames, other sizes of dynamic dimensions, or examples."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from fleet import inputs, sizes
from fleet.errors import ChildFailedError, ChildTimeoutError
from fleet.sizes import Shapes, Sizes
from fleet.verify import reasons
from fleet.verify.runs import Runs
from fleet.verify.subject import Arrays, Subject

GOLDEN: Final = "golden frames"
OTHER_SIZES: Final = "other sizes"

_TOGETHER_BYTES: Final = 256 << 20
"""What a group's tensors may take at a cut: they are in memory together."""


@dataclass(frozen=True, slots=True)
class Case:
    """One set of inputs."""

    name: str
    shapes: Shapes
    """Of the inputs."""
    sizes: Sizes
    """Of the dynamic dimensions."""
    load: Callable[[], Arrays]
    size_bytes: int
    golden: bool = False
    """Whether golden frames say what every segment gives for it."""
    example: Path | None = None


class SizeCases(NamedTuple):
    """Cases of other sizes, and what is to be said of those that did not run."""

    cases: tuple[Case, ...]
    notes: tuple[str, ...]


def of_golden(subject: Subject, feeds: Arrays) -> Case:
    """Return the case of the inputs that the golden frames were made with."""
    shapes = _shapes(feeds)
    found = sizes.known(subject.manifest.inputs, shapes)
    return Case(GOLDEN, shapes, found, lambda: feeds, _bytes(feeds), golden=True)


def of_examples(subject: Subject, paths: Sequence[Path]) -> tuple[Case, ...]:
    """Return a case for each file; all are checked, and none is kept in memory.

    Raises:
        BadExampleError: One cannot be read, or is not what the model takes.
    """
    return tuple(_of_example(subject, path) for path in paths)


def of_other_sizes(subject: Subject, feeds: Arrays, runs: Runs, count: int) -> SizeCases:
    """Return up to ``count`` cases whose dynamic dimensions have other sizes than ``feeds``.

    Only sizes that the whole model runs with: what it does not take says nothing of the split.
    """
    before = sizes.known(subject.manifest.inputs, _shapes(feeds))
    if not before or subject.whole is None:
        return SizeCases((), ())
    wanted = sizes.varied(before)[:count]
    made = [_of_sizes(subject, feeds, one, seed) for seed, one in enumerate(wanted)]
    if not made or _refusal(runs, made) is None:
        return SizeCases(tuple(made), ())
    return _one_by_one(subject, feeds, runs, wanted)


def groups(cases: Sequence[Case], live_bytes: Callable[[Case], float]) -> Iterator[list[Case]]:
    """Yield the cases in groups that may be in memory together, in order."""
    group: list[Case] = []
    taken = 0.0
    for case in cases:
        size = live_bytes(case)
        if group and taken + size > _TOGETHER_BYTES:
            yield group
            group, taken = [], 0.0
        group.append(case)
        taken += size
    if group:
        yield group


def _one_by_one(subject: Subject, feeds: Arrays, runs: Runs, wanted: Sequence[Sizes]) -> SizeCases:
    before = sizes.known(subject.manifest.inputs, _shapes(feeds))
    found: list[Case] = []
    notes: list[str] = []
    left_alone: set[str] = set()
    for seed, asked in enumerate(wanted):
        most = {name: before[name] if name in left_alone else asked[name] for name in asked}
        first: str | None = None
        for attempt in sizes.attempts(most, before):
            case = _of_sizes(subject, feeds, attempt, seed)
            refusal = _refusal(runs, [case])
            if refusal is None:
                found.append(case)
                left_alone |= {name for name in attempt if attempt[name] == before[name]}
                kept = {name: before[name] for name in most if attempt[name] != most[name]}
                end = f"ran with {sizes.text(kept)}"
                break
            first = first or refusal
        else:
            end = "skipped"
        if first is not None:
            notes.append(f"{sizes.text(most)}: the whole model does not run ({first}); {end}")
    return SizeCases(tuple(found), tuple(notes))


def _refusal(runs: Runs, cases: Sequence[Case]) -> str | None:
    """Return why the whole model does not run with ``cases``; None where it does."""
    feeds = [case.load() for case in cases]
    try:
        for optimisations in (False, True):
            runs.whole(feeds, optimisations=optimisations, fetch=[])
    except ChildFailedError as error:
        return reasons.short(error.reason)
    except ChildTimeoutError as error:
        return f"no end after {error.limit_seconds:g} s"
    return None


def _of_sizes(subject: Subject, feeds: Arrays, wanted: Sizes, seed: int) -> Case:
    shapes = sizes.resized(subject.manifest.inputs, _shapes(feeds), wanted)
    size_bytes = sum(math.prod(shapes[name]) * feeds[name].itemsize for name in shapes)
    return Case(OTHER_SIZES, shapes, wanted, lambda: inputs.drawn(feeds, shapes, seed), size_bytes)


def _of_example(subject: Subject, path: Path) -> Case:
    specs = subject.manifest.inputs

    def load() -> Arrays:
        return inputs.example(specs, path).arrays

    arrays = load()
    shapes = _shapes(arrays)
    found = sizes.known(specs, shapes)
    return Case(path.name, shapes, found, load, _bytes(arrays), example=path)


def _shapes(arrays: Arrays) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in arrays.items()}


def _bytes(arrays: Arrays) -> int:
    return sum(array.nbytes for array in arrays.values())
