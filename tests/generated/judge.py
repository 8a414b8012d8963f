"""Split one model and check all that is to be said of it."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Literal

import numpy as np
import onnx
from onnx import ModelProto

from fleet.errors import NoCutError
from fleet.formats import CutRequest
from fleet.split import split
from tests.generated import legal_cuts, verdict
from tests.generated.graphs import Generated
from tests.generated.written_out import written_out
from wire.manifest import Manifest

ORDERS = 20
"""Tried where there are too many prefixes to try all."""
INLINE_BYTES = 1200
"""Smaller tensors stay in the model: the runtime looks for sizes there, up to those of a Split."""


class UnfairError(Exception):
    """Nothing can be said of a model: the runtime itself does not run it, or gives no numbers."""


def judged(made: Generated, folder: Path) -> Literal["cut", "refused"]:
    """Split a model in ``folder``, check everything, and say what became of it.

    Raises:
        UnfairError: The whole model gives nothing to compare with.
        AssertionError: Something is not as it must be.
    """
    path = folder / "model.onnx"
    save(made, path)
    feeds, expected = whole(path, made.sizes)
    possible = legal_cuts.moving(written_out(made.model))
    most = possible.longest()
    asked = made.stages if made.stages > 0 else (5 if most is None else most) - made.stages
    stages = max(1, asked)
    got = attempt(path, folder / "out", stages)
    if isinstance(got, NoCutError):
        least = along_orders(possible) if most is None else most
        assert least < stages, "refused, but there is a legal cut"
        if most is not None:
            assert got.largest == (most if possible.reads else 0)
        return "refused"
    assert most is None or stages <= most, "cut where no legal cut is"
    assert attempt(path, folder / "again", stages).digest == got.digest
    assert len(got.segments) == stages
    verdict.check_files(made.model, folder / "out", got)
    outputs = verdict.chain(folder / "out", got, feeds)
    differing = verdict.differing(got, outputs, expected)
    assert not differing, differing
    return "cut"


def attempt(path: Path, out: Path, stages: int) -> Manifest | NoCutError:
    """Return the split, or that there is none."""
    known = {field.name for field in dataclasses.fields(CutRequest)}
    steady = {"balance": "flops"} if "balance" in known else {}  # times are never twice the same
    try:
        return split(path, out, CutRequest(stages=stages, **steady))
    except NoCutError as refused:
        return refused


def along_orders(possible: legal_cuts.Moving) -> int:
    """Return into how many segments some orders of a large model's operators can be cut."""
    random = Random(1)
    return max(possible.along(random) for _ in range(ORDERS))


def save(made: Generated, path: Path) -> None:
    """Write the model, its weights beside it if that is how it came."""
    model = ModelProto()
    model.CopyFrom(made.model)
    onnx.save(
        model,
        path,
        save_as_external_data=made.external,
        location="weights.data" if made.external else None,
        size_threshold=INLINE_BYTES,
    )


def whole(path: Path, sizes: Mapping[str, int]) -> tuple[verdict.Arrays, verdict.Arrays]:
    """Return inputs, and what the whole model gives for them.

    Raises:
        UnfairError: The runtime refuses it, or an output has no number in it.
    """
    try:
        feeds = verdict.feeds(path, sizes)
        outputs = verdict.run(path, feeds)
    except Exception as error:  # its exceptions have no other common base
        raise UnfairError(str(error)) from error
    floats = [values for values in outputs.values() if values.dtype.kind == "f" and values.size]
    if any(np.isnan(values).all() for values in floats):
        raise UnfairError("all NaN")
    return feeds, outputs
