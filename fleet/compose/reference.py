"""Compare a composed pipeline with one model that does the same as a whole."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from fleet import children, formats, inputs
from fleet.children import RunOptions
from fleet.codec_effects import figures
from fleet.compose import adapting, matching, numerics
from fleet.compose.adapting import Known
from fleet.compose.contract import REFERENCE, Contract, Step
from fleet.compose.matching import Pair
from fleet.compose.report import ReferenceReport
from fleet.compose.stages import border_of
from fleet.errors import ChildFailedError, NotRunnableError
from fleet.verify.runs import Runs, Stopped
from fleet.verify.subject import Arrays, Subject
from wire.manifest import Manifest

SAMPLES: Final = 4
"""The inputs of the golden frames, and others drawn from their elements."""
_LIMIT_SECONDS: Final = 600.0


def compared(
    folder: Path,
    manifest: Manifest,
    sides: tuple[Sequence[Contract], Sequence[Contract]],
    model: Path,
    *,
    made_up: bool,
) -> ReferenceReport:
    """Return how far the outputs of the pipeline in ``folder`` are from those of ``model``.

    Args:
        folder: The pipeline's.
        manifest: Its own.
        sides: Contracts of its inputs, and of its outputs.
        model: The file of the model.
        made_up: Whether the golden frames' inputs are.

    Raises:
        ContractError: The model takes or gives something else.
        UnmatchedError: It takes or gives more.
        NotRunnableError: It does not run.
    """
    subject = Subject(folder, manifest, None)
    face = border_of(model).read(model, REFERENCE)
    first = subject.golden_inputs()
    shapes = {name: array.shape for name, array in first.items()}
    samples = [first, *(inputs.drawn(first, shapes, seed) for seed in range(1, SAMPLES))]
    ours = Runs(subject, _LIMIT_SECONDS).chain(samples, optimisations=False)
    if isinstance(ours, Stopped):
        raise NotRunnableError(str(folder), ours.reason)
    taken = matching.pairs(face.inputs, sides[0])
    try:
        fed = [_adapted(taken, sample, samples[0]) for sample in samples]
        with tempfile.TemporaryDirectory(prefix="paceline-") as scratch:
            runnable = formats.for_model(model).runnable(model, Path(scratch))
            theirs = children.run(runnable, fed, RunOptions()).outputs
    except ChildFailedError as error:
        raise NotRunnableError(str(model), error.reason) from error
    given = matching.pairs(face.outputs, sides[1])
    got = [_adapted(given, outputs, ours[0]) for outputs in ours]
    pairs = zip(got, theirs, strict=True)
    found = [figures.figures(one, {name: other[name] for name in one}) for one, other in pairs]
    return ReferenceReport(
        model=str(model), samples=len(samples), made_up=made_up, figures=figures.merged(found)
    )


def _adapted(pairs: Sequence[Pair], arrays: Arrays, first: Arrays) -> Arrays:
    """Return our tensors as the model has them."""
    return {
        pair.wanted.name: numerics.applied(
            _steps(pair, first[pair.made.name].shape), arrays[pair.made.name]
        )
        for pair in pairs
    }


def _steps(pair: Pair, sizes: tuple[int, ...]) -> tuple[Step, ...]:
    return adapting.steps(pair.made, pair.wanted, Known(sizes, lossy_casts=True))
