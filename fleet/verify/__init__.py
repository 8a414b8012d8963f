"""Show that the segments of a split, one after the other, give what the whole model gives.

With the runtime's optimisations off every output is equal bit by bit; with them on, each element
is within 1e-5 + 1e-4 of it, or what another metric asks for. Only float16 across a cut may differ
in bits: runtimes without instructions for it compute in float32, and round where a tensor becomes
visible. Where the model is no longer at hand the golden frames stand in for it.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from fleet import formats, sizes
from fleet.edgetpu.report import COMPILED
from fleet.errors import BadRequestError, OutputsDifferError
from fleet.formats import OPTIMISATIONS
from fleet.metrics import Metric
from fleet.split_folder import COMPOSED
from fleet.verify import cases, stage_by_stage
from fleet.verify.cases import Case
from fleet.verify.report import CaseReport, Stop, TensorDifference, Tie, VerifyReport, together
from fleet.verify.runs import Progress, Runs
from fleet.verify.subject import Arrays, Subject, opened
from fleet.verify.verification import Result, Verification
from wire import plugins

__all__ = [
    "DEFAULT_METRIC",
    "CaseReport",
    "Progress",
    "Stop",
    "TensorDifference",
    "Tie",
    "VerifyReport",
    "VerifyRequest",
    "verify",
]

METRICS: Final = "fleet.metrics"
DEFAULT_METRIC: Final = "max_error"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyRequest:
    """What to compare a split with, and how."""

    examples: tuple[Path, ...] = ()
    """Files of inputs; none: those of the golden frames."""
    sizes: int = 1
    """How many sizes of dynamic dimensions to run, up to 3; examples have their own."""
    metric: str = DEFAULT_METRIC
    """Judges the outputs with optimisations on."""
    limit_seconds: float = 600.0
    """For each sample in each run, of which there are two a segment and two of the model."""


def verify(
    folder: Path,
    model: Path | None = None,
    request: VerifyRequest = VerifyRequest(),
    progress: Callable[[Progress], None] = lambda _: None,
) -> VerifyReport:
    """Compare the split in ``folder`` with the whole model.

    Args:
        folder: What a split wrote.
        model: The model that was cut; None: looked for where it was then.
        request: What to run.
        progress: Is told before each run.

    Raises:
        DamagedSplitError: A file is missing or is not the one that was written.
        BadRequestError: ``model`` is another one, or examples need the model.
        BadExampleError: An example cannot be read, or is not what the model takes.
        NotRunnableError: The whole model does not run.
        UnknownPluginError: There is no such metric.
        OutputsDifferError: They differ; the error holds the report.
        ChildTimeoutError: A segment or the model did not end in time.
    """
    metric: Metric = plugins.load(METRICS, request.metric)()
    subject = opened(folder, model)
    with tempfile.TemporaryDirectory(prefix="paceline-") as scratch:
        if subject.whole is not None:
            runs = formats.named(subject.format).runnable(subject.whole, Path(scratch))
            subject = replace(subject, runnable=runs if runs != subject.whole else None)
        return _verified(subject, metric, request, progress)


def _verified(
    subject: Subject,
    metric: Metric,
    request: VerifyRequest,
    progress: Callable[[Progress], None],
) -> VerifyReport:
    if request.examples and subject.whole is None:
        problem = f"its reference is the model, and {subject.why_no_model}"
        if subject.manifest.cut_space != COMPOSED:
            problem = f"{problem} (name it with --model)"
        raise BadRequestError(str(request.examples[0]), problem)
    runs = Runs(subject, request.limit_seconds, progress)
    feeds = subject.golden_inputs()
    per_group = 2 * (1 + len(subject.manifest.segments))
    runs.planned = per_group
    made, notes = _cases(subject, runs, feeds, request)
    scale = subject.golden_bytes / max(1, sum(array.nbytes for array in feeds.values()))
    del feeds  # with examples nobody needs them any more
    grouped = list(cases.groups(made, lambda case: case.size_bytes * scale))
    runs.planned = runs.begun + len(grouped) * per_group
    alone = subject.manifest.cut_space == COMPOSED and request.metric == DEFAULT_METRIC
    runs.planned += alone * len(subject.manifest.segments)
    notes += (stage_by_stage.NOTE,) * alone
    verification = Verification(runs, metric, stage_by_stage=alone)
    results = [result for group in grouped for result in verification.verified(group)]
    results = _located(verification, made, results)
    found = _report(subject, request, results, (*notes, *_honest(subject)))
    if not found.passes:
        raise _error(subject, found)
    return found


TWINS: Final = (
    "what was compiled for the Edge TPU runs on one alone: its twins were run, and each device"
    " compares its own answers before it serves"
)


def _cases(
    subject: Subject, runs: Runs, feeds: Arrays, request: VerifyRequest
) -> tuple[tuple[Case, ...], tuple[str, ...]]:
    if request.examples:
        return cases.of_examples(subject, request.examples), ()
    golden = cases.of_golden(subject, feeds)
    others = cases.of_other_sizes(subject, feeds, runs, request.sizes - 1)
    notes = list(others.notes)
    if subject.whole is None:
        only = ", at their sizes alone" if golden.sizes and request.sizes > 1 else ""
        notes.append(f"{subject.why_no_model}; golden frames stood in for it{only}")
    return (golden, *others.cases), tuple(notes)


def _honest(subject: Subject) -> Iterator[str]:
    """Yield what people should know of what is compared with what."""
    for format_ in dict.fromkeys(segment.format for segment in subject.manifest.segments):
        if format_ in OPTIMISATIONS:
            yield OPTIMISATIONS[format_]
    if subject.runnable is not None:
        yield "two of the model's inputs or outputs have one name: a copy with others was run"


def _located(
    verification: Verification, made: Sequence[Case], results: Sequence[Result]
) -> list[Result]:
    """Return the results, the first difference in bits traced back to where it begins."""
    found = list(results)
    for place, (case, result) in enumerate(zip(made, results, strict=True)):
        first = result.report.first_difference
        if first is not None and not first.optimisations:
            first = verification.located(case) or first
            better = msgspec.structs.replace(result.report, first_difference=first)
            found[place] = replace(result, report=better)
            break
    return found


def _report(
    subject: Subject, request: VerifyRequest, results: Sequence[Result], notes: Sequence[str]
) -> VerifyReport:
    reports = [result.report for result in results]
    scores = [result.score for result in results if result.score is not None]
    worst = reduce(lambda a, b: b if b.worse_than(a) else a, scores) if scores else None
    stopped = len(scores) < len(results)
    if subject.half:
        largest = max(result.largest_diff for result in results)
        notes = [*notes, f"a cut rounds float16: largest difference {largest:.3g}"]
    if any(COMPILED in {file.name for file in s.files} for s in subject.manifest.segments):
        notes = [*notes, TWINS]
    return VerifyReport(
        pipeline=subject.manifest.name,
        digest=subject.manifest.digest,
        compared_with="model" if subject.whole else "golden frames",
        metric=request.metric,
        passes=all(one.passes for one in reports),
        bit_equal=all(one.bit_equal for one in reports),
        within_tolerance=all(one.within_tolerance for one in reports),
        score=np.nan if stopped or worst is None else worst.value,
        max_abs_diff=max(one.max_abs_diff for one in reports),
        first_difference=next((r.first_difference for r in reports if r.first_difference), None),
        ties=together(tie for one in reports for tie in one.ties),
        cases=tuple(reports),
        notes=tuple(notes),
    )


def _error(subject: Subject, found: VerifyReport) -> OutputsDifferError:
    """Return the error that names the first tensor of the first case that does not pass."""
    case = next(one for one in found.cases if not one.passes)
    cause = case.stopped or case.first_difference
    tensor = cause.tensor if cause else subject.manifest.outputs[0].name
    how = cause.how if cause else f"does not reach what {found.metric} asks for ({case.score:g})"
    return OutputsDifferError(str(subject.folder), tensor, f"{how}{_with(case)}", found)


def _with(case: CaseReport) -> str:
    """Return which inputs it was, where they are not those of the golden frames."""
    if case.name == cases.GOLDEN:
        return ""
    return f" (with {sizes.text(case.sizes) if case.name == cases.OTHER_SIZES else case.name})"
