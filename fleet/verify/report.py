"""What a verification says: for each case what was run, and what differed."""

from collections.abc import Iterable
from typing import Literal

import msgspec

from wire.tensors import describe


class TensorDifference(msgspec.Struct, frozen=True, kw_only=True):
    """The first tensor, in the order of stages, that is not what it should be."""

    tensor: str
    stage: int
    segment: str
    dtype: int
    """By ONNX's numbers."""
    shape: tuple[int, ...]
    """As it should be."""
    got: str | None = None
    """What came instead, where it has another shape or type."""
    optimisations: bool
    """Whether it was found with the runtime's optimisations on."""
    rule: Literal["bits", "tolerance"]
    """What its elements have to be: equal bit by bit, or within the tolerance."""
    differing: int
    """Elements that break the rule."""
    of: int
    max_abs_diff: float
    remark: str | None = None
    """Such as why a difference of indices is not taken for a tie."""

    @property
    def how(self) -> str:
        """How it differs, as a sentence without its subject."""
        place = f"of stage {self.stage} ({self.segment})"
        rule = "not bit-equal" if self.rule == "bits" else "beyond the tolerance"
        kind = describe(self.dtype, self.shape)
        if self.got:
            return f"{place} is {self.got} instead of {kind}"
        count = f"{self.differing} of {self.of} elements, by up to {self.max_abs_diff:.3g}"
        remark = f"; {self.remark}" if self.remark else ""
        return f"{place}, {kind}, is {rule}: {count}{remark}"


class Tie(msgspec.Struct, frozen=True, kw_only=True):
    """Indices that differ because the entries they name are as good as each other."""

    tensor: str
    count: int
    """Elements that differ so."""
    of: int
    largest_gap: float
    """Between the scores of two entries of which one was chosen in place of the other."""
    evidence: str


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """A segment that does not run, though its reference is known."""

    tensor: str
    """The first that it should have given."""
    stage: int
    segment: str
    optimisations: bool
    reason: str

    @property
    def how(self) -> str:
        """What happened, as a sentence without its subject."""
        return (
            f"of stage {self.stage} ({self.segment}) never comes: the segment does not run"
            f" with what the whole model runs with ({self.reason})"
        )


class CaseReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one set of inputs."""

    name: str
    """``golden frames``, ``other sizes``, or a file's name."""
    shapes: dict[str, tuple[int, ...]]
    """Of the inputs."""
    sizes: dict[str, int]
    """Of the dynamic dimensions."""
    bit_equal: bool
    """Optimisations off: every output equals its reference bit by bit."""
    within_tolerance: bool
    """Optimisations on: every element is near enough, or a tie."""
    passes: bool
    """Whether both verdicts are good: bits with optimisations off, the metric with them on."""
    score: float
    """Optimisations on: what the metric says."""
    max_abs_diff: float
    """Optimisations on, over all outputs, ties left out."""
    first_difference: TensorDifference | None = None
    ties: tuple[Tie, ...] = ()
    stopped: Stop | None = None
    """The segment that did not run, which ended the case."""


class VerifyReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was compared, and how it went: each verdict is that of all cases together."""

    pipeline: str
    digest: str
    """Of the manifest."""
    compared_with: str
    """``model``, or ``golden frames`` where the model was not at hand."""
    metric: str
    passes: bool
    bit_equal: bool
    within_tolerance: bool
    score: float
    """Of the worst case."""
    max_abs_diff: float
    first_difference: TensorDifference | None = None
    """Of the first case that has one."""
    ties: tuple[Tie, ...] = ()
    cases: tuple[CaseReport, ...] = ()
    notes: tuple[str, ...] = ()


def together(ties: Iterable[Tie]) -> tuple[Tie, ...]:
    """Return one tie a tensor: counts added, the largest gap and its evidence."""
    found: dict[str, Tie] = {}
    for tie in ties:
        before = found.get(tie.tensor)
        if before is None:
            found[tie.tensor] = tie
            continue
        worse = max(before, tie, key=lambda one: one.largest_gap)
        found[tie.tensor] = msgspec.structs.replace(
            worse, count=before.count + tie.count, of=before.of + tie.of
        )
    return tuple(found.values())
