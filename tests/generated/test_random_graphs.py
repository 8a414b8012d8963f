"""Random graphs of every kind: cut wherever they can be, and the cut model is the model."""

import dataclasses
import tempfile
from pathlib import Path
from random import Random

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from onnx import ModelProto, inliner

from fleet import children
from fleet.errors import NoCutError
from fleet.formats import CutRequest
from fleet.split import split
from tests.generated import legal_cuts, verdict
from tests.generated.census import CENSUS, EXAMPLES, IS_FIXED
from tests.generated.graphs import Generated, models
from tests.generated.in_process import InProcess
from wire.manifest import Manifest

ORDERS = 20
"""Tried where there are too many prefixes to try all."""
MOST_DISCARDED = 0.1


@pytest.fixture
def in_process(monkeypatch):
    """Let child commands run in this process."""
    monkeypatch.setattr(children, "subprocess", InProcess)


@pytest.mark.timeout(0)
def test_a_random_graph_is_cut_if_it_can_be_and_stays_what_it_is(in_process):
    """A split succeeds exactly when there is a legal cut, and then the chain is bit-equal."""

    @settings(
        max_examples=EXAMPLES,
        derandomize=IS_FIXED,
        phases=[Phase.reuse, Phase.generate, Phase.shrink],
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(models())
    def judge(made):
        with tempfile.TemporaryDirectory(prefix="paceline-") as folder:
            judged(made, Path(folder))

    judge()

    assert CENSUS.discarded < MOST_DISCARDED * CENSUS.drawn


def judged(made: Generated, folder: Path) -> None:
    """Split a model and check all that is to be said of it."""
    path = folder / "model.onnx"
    save(made, path)
    expected = whole(made, path)
    assume(expected is not None)
    flat = inliner.inline_local_functions(made.model)
    possible = legal_cuts.moving(flat)
    most = possible.longest()
    stages = made.stages if made.stages > 0 else (most or 5) - made.stages
    got = attempt(path, folder / "out", stages)
    if isinstance(got, NoCutError):
        assert (most or along_orders(possible)) < stages
        assert most in (None, got.largest)
        CENSUS.refused += 1
        return
    assert most is None or stages <= most
    assert attempt(path, folder / "again", stages).digest == got.digest
    assert len(got.segments) == stages
    verdict.check_files(made.model, folder / "out", got)
    outputs = verdict.chain(folder / "out", got, verdict.feeds(path, made.sizes))
    assert verdict.differing(got, outputs, expected) == {}
    CENSUS.cut += 1


def attempt(path: Path, out: Path, stages: int) -> Manifest | NoCutError:
    """Return the split, or that there is none."""
    known = {field.name for field in dataclasses.fields(CutRequest)}
    steady = {"balance": "flops"} if "balance" in known else {}
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
        size_threshold=200,  # onnx and the runtime look for sizes in the model's own file
    )


def whole(made: Generated, path: Path) -> dict[str, np.ndarray] | None:
    """Return what the whole model gives; None when the runtime refuses it, or it is all NaN."""
    CENSUS.saw(made.model, external=made.external)
    try:
        outputs = verdict.run(path, verdict.feeds(path, made.sizes))
    except Exception as error:  # whatever the runtime says
        CENSUS.discard(str(error))
        return None
    floats = [values for values in outputs.values() if values.dtype.kind == "f" and values.size]
    if any(np.isnan(values).all() for values in floats):
        CENSUS.discard("all NaN")
        return None
    return outputs
