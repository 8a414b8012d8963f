"""Name the first tensor that is not what it should be, in the order of stages.

Pure.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from numpy.typing import NDArray

from fleet.compare import Difference, compare
from fleet.verify.report import TensorDifference
from fleet.verify.subject import Arrays, Subject
from wire import codecs
from wire.manifest import Segment, Tolerance
from wire.tensors import describe

_NONE: Final[Mapping[str, str]] = MappingProxyType({})


class Rule(NamedTuple):
    """What elements have to be."""

    optimisations: bool
    bits: bool
    """Whether they must be equal bit by bit, and not only within the tolerance."""
    tolerance: Tolerance

    def broken_by(self, found: Difference) -> bool:
        """Whether a tensor breaks the rule."""
        return not (found.bit_equal if self.bits else found.within)


def rule(subject: Subject, *, optimisations: bool) -> Rule:
    """Return the rule that holds for a split with the runtime's optimisations on, or off."""
    bits = not optimisations and not subject.half
    return Rule(optimisations, bits, subject.tolerance)


def first(
    subject: Subject,
    got: Arrays,
    expected: Arrays,
    broken: Rule,
    remarks: Mapping[str, str] = _NONE,
) -> TensorDifference | None:
    """Return the first tensor of those expected that breaks the rule."""
    for segment in subject.manifest.segments:
        found = in_segment(subject, segment, got, expected, broken, remarks)
        if found is not None:
            return found
    return None


def in_segment(
    subject: Subject,
    segment: Segment,
    got: Arrays,
    expected: Arrays,
    broken: Rule,
    remarks: Mapping[str, str] = _NONE,
) -> TensorDifference | None:
    """Return the first tensor that a segment gave and that breaks the rule."""
    stage = subject.manifest.segments.index(segment)
    for name in (spec.name for spec in segment.outputs):
        if name in expected and name in got:
            found = compare(got[name], expected[name], broken.tolerance)
            if broken.broken_by(found):
                made = _described(found, got[name], expected[name], broken)
                return TensorDifference(
                    tensor=name,
                    stage=stage,
                    segment=segment.name,
                    remark=remarks.get(name),
                    **made,
                )
    return None


def _described(
    found: Difference, got: NDArray[Any], expected: NDArray[Any], broken: Rule
) -> dict[str, Any]:
    number = codecs.dtype_number(expected.dtype)
    same = got.shape == expected.shape and got.dtype == expected.dtype
    return {
        "dtype": number,
        "shape": expected.shape,
        "got": None if same else describe(codecs.dtype_number(got.dtype), got.shape),
        "optimisations": broken.optimisations,
        "rule": "bits" if broken.bits else "tolerance",
        "differing": found.unequal if broken.bits else found.beyond,
        "of": expected.size,
        "max_abs_diff": found.max_abs_diff,
    }
