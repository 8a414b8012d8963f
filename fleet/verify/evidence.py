"""Look for evidence that outputs which differ do so by ties: in what the whole model computes."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fleet.verify import inside, ties
from fleet.verify.inside import HiddenError
from fleet.verify.report import Tie
from fleet.verify.runs import Runs
from fleet.verify.subject import Arrays
from fleet.verify.ties import Verdict


class Found(NamedTuple):
    """What there is to say of outputs that differ."""

    ties: tuple[Tie, ...] = ()
    tied: Mapping[str, NDArray[np.bool_]] = {}
    """Which elements of an output are ties, by name."""
    remarks: Mapping[str, str] = {}
    """Why the rest of an output is not taken for a tie, by name."""


def look(
    runs: Runs, sample: Arrays, got: Arrays, expected: Arrays, outputs: Sequence[str]
) -> Found:
    """Return what is found of ``outputs``, which differ in ``got`` from what is expected."""
    try:
        chosen = inside.choices_of(runs.subject, outputs)
    except HiddenError as error:
        return Found(remarks=_no_evidence(expected, outputs, str(error)))
    others = [name for name in outputs if name not in chosen]
    remarks = _no_evidence(expected, others, "nothing shows it")
    if not chosen:
        return Found(remarks=remarks)
    tensors = dict.fromkeys(name for choice in chosen.values() for name in choice.tensors)
    try:
        values = inside.values(runs, sample, [*tensors], optimisations=True)
    except HiddenError as error:
        return Found(remarks=remarks | _no_evidence(expected, [*chosen], str(error)))
    found: list[Tie] = []
    masks: dict[str, NDArray[np.bool_]] = {}
    for name, choice in chosen.items():
        verdict = ties.decide(choice, got[name], expected[name], values, runs.subject.tolerance)
        if verdict is None:
            remarks[name] = f"perhaps a tie, but it does not fit what {choice.operator} chose"
            continue
        if verdict.tied.any():
            masks[name] = verdict.tied
            found.append(_tie(name, verdict))
        if not verdict.tied[got[name] != expected[name]].all():
            gap = f"{verdict.largest_other_gap:.3g}"
            remarks[name] = f"no tie, {choice.operator}'s scores are up to {gap} apart"
    return Found(tuple(found), masks, remarks)


def _tie(name: str, verdict: Verdict) -> Tie:
    return Tie(
        tensor=name,
        count=int(np.count_nonzero(verdict.tied)),
        of=verdict.tied.size,
        largest_gap=verdict.largest_gap,
        evidence=verdict.evidence,
    )


def _no_evidence(expected: Arrays, outputs: Sequence[str], why: str) -> dict[str, str]:
    """Return the remark for those outputs that may be indices."""
    integers = [name for name in outputs if expected[name].dtype.kind in "iu"]
    return dict.fromkeys(integers, f"perhaps a tie, but {why}")
