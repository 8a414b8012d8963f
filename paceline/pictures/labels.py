"""The best labels of a score vector.

What the numbers are is not written in a model's file, so it is read from them:

- integers are scores in the range of their type;
- floats of 0 to 1 with the sum 1 are probabilities, and stay as they are;
- floats of 0 to 1 with another sum are independent scores (a sigmoid each), and stay as they are;
- anything else are logits, and softmax turns them into probabilities.

A vector of logits that all happen to lie in 0 to 1 is taken for independent scores: the order, and
so the answer, is the same, only the numbers shown are the model's own.
"""

from enum import StrEnum
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from paceline.pictures.errors import AnswerError
from wire.manifest import Answer

SUM_WITHIN: Final = 1e-2
"""How far probabilities in half precision may sum up from 1."""


class Meaning(StrEnum):
    """What the score of a label is."""

    PROBABILITY = "probability"
    """One of all; together 1."""
    SCORE = "score"
    """Of itself, 0 to 1."""


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """One label and how sure the model is."""

    index: int
    name: str
    """As the manifest names it, else the index."""
    score: float
    """0 to 1."""
    meaning: Meaning


def best(scores: NDArray[Any], how: Answer) -> tuple[Label, ...]:
    """Return at most ``how.top`` labels of at least ``how.threshold``, the best first.

    Of equal scores, the lower index comes first.

    Args:
        scores: ``[K]``, or with axes of size 1 around it: ``[1, K]``, ``[1, K, 1, 1]``.
        how: The manifest's ``postprocess`` block.

    Raises:
        AnswerError: The tensor is no such vector, holds NaN or infinity, or the block does not
            name as many labels.
    """
    if not scores.size or max(scores.shape, default=1) != scores.size:
        expected = "one vector of scores"
        problem = f"{how.output!r} is {list(scores.shape)} (expected {expected})"
        raise AnswerError("output", problem)
    if how.labels and len(how.labels) != scores.size:
        got = f"{len(how.labels)} names for {scores.size} scores"
        raise AnswerError("labels", f"do not fit {how.output!r} (got {got})")
    if scores.dtype.kind == "f" and (np.isnan(scores) | (scores == np.inf)).any():
        raise AnswerError("output", f"{how.output!r} holds NaN or infinity (expected scores)")
    values, meaning = _scores(scores.ravel())
    order = np.argsort(-values, kind="stable")[: max(0, how.top)]
    return tuple(
        Label(
            index=int(index),
            name=how.labels[index] if how.labels else str(index),
            score=round(float(values[index]), 6),
            meaning=meaning,
        )
        for index in order
        if values[index] >= how.threshold
    )


def _scores(given: NDArray[Any]) -> tuple[NDArray[np.float64], Meaning]:
    values = given.astype(np.float64)
    if given.dtype.kind in "iu":
        limits = np.iinfo(given.dtype)
        return (values - limits.min) / (float(limits.max) - limits.min), Meaning.SCORE
    if values.min() >= 0 and values.max() <= 1:
        whole = abs(values.sum() - 1) <= SUM_WITHIN
        return values, Meaning.PROBABILITY if whole else Meaning.SCORE
    powers = np.exp(values - values.max())
    return powers / powers.sum(), Meaning.PROBABILITY
