"""Every streamed answer against the whole model's, without keeping every answer.

Answers to the same picture are equal to the bit, so each distinct one is kept once; the reference
is computed by the whole model after the stream, when it does not compete for the cores.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fleet.compare import compare
from wire.manifest import Tolerance

MAX_DISTINCT: Final = 8
"""Distinct answers kept for one input; more than one already says that something is wrong."""

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of comparing."""

    equal: bool
    """Every element of every answer is within 1e-5 + 1e-4 of the expected value."""
    max_abs_diff: float
    answers: int
    """How many answers were compared."""


@dataclass(slots=True)
class DistinctAnswers:
    """The distinct answers to each of a few inputs."""

    _kept: dict[int, list[Arrays]] = field(default_factory=dict)
    _counts: Counter[int] = field(default_factory=Counter)
    _too_many: bool = False

    def add(self, number: int, answer: Arrays) -> None:
        """Remember an answer to input ``number``; its arrays are kept."""
        self._counts[number] += 1
        kept = self._kept.setdefault(number, [])
        if any(_same(answer, other) for other in kept):
            return
        if len(kept) < MAX_DISTINCT:
            kept.append(answer)
        else:
            self._too_many = True

    def newest(self) -> tuple[int, Arrays] | None:
        """Return the input answered with the highest number, and an answer to it."""
        if not self._kept:
            return None
        number = max(self._kept)
        return number, self._kept[number][0]

    def compared(self, references: Mapping[int, Arrays]) -> Comparison:
        """Compare everything kept with the ``references`` by input."""
        found = [
            compare(answer[name], wanted, Tolerance())
            for number, reference in references.items()
            for answer in self._kept.get(number, [])
            for name, wanted in reference.items()
        ]
        return Comparison(
            equal=bool(found) and not self._too_many and all(one.within for one in found),
            max_abs_diff=max((one.max_abs_diff for one in found), default=0.0),
            answers=sum(self._counts[number] for number in references),
        )


def _same(a: Arrays, b: Arrays) -> bool:
    return all(np.array_equal(a[name], b[name], equal_nan=a[name].dtype.kind == "f") for name in a)
