"""What is drawn of a model, and of a split: from what is known of them to a `CutPicture`.

Pure: no I/O.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

from fleet.split_folder import SplitReport
from fleet.survey import Along, ModelSurvey
from paceline.formatting import counted, seconds_text, size_text, work_text
from paceline.show.cut_picture import Cut, CutPicture, Segment, Shares
from wire.manifest import Manifest


def of_model(survey: ModelSurvey) -> CutPicture:
    """Return the picture of a model and the narrowest places to cut it."""
    return CutPicture(
        title=f"{survey.model.name}: where it may be cut",
        subtitle=", ".join(_facts(survey)),
        crossing_bytes=survey.along.crossing_bytes,
        cuttable=survey.along.cuttable,
        lines=_lines(survey.along),
        cuts=_cuts(survey),
        cuts_are="narrow places",
    )


def of_split(survey: ModelSurvey, made: Manifest, report: SplitReport | None) -> CutPicture:
    """Return the picture of a model that was cut; the survey is one of its cuts."""
    stages = len(made.segments)
    count = f"{stages} segment{'s' * (stages > 1)}"
    return CutPicture(
        title=f"{made.name}: {survey.model.name} in {count}",
        subtitle=", ".join(_facts(survey)),
        crossing_bytes=survey.along.crossing_bytes,
        cuttable=survey.along.cuttable,
        lines=_lines(survey.along),
        cuts=_cuts(survey),
        cuts_are="cuts",
        segments=tuple(_segments(survey, made, report)),
    )


def _facts(survey: ModelSurvey) -> Iterator[str]:
    yield counted(survey.operators, "operator")
    yield f"{size_text(survey.weight_bytes)} of weights"
    yield f"{work_text(sum(survey.along.multiply_accumulates))} multiply-accumulates"
    if survey.along.seconds:
        how = (
            "timed as a whole" if survey.along.seconds_are_shares else "operators timed one by one"
        )
        yield f"{how}: {seconds_text(sum(survey.along.seconds))}"
    for name, sizes in survey.sizes.items():
        yield f"{name} {'×'.join(map(str, sizes)) or 'scalar'}"


def _lines(along: Along) -> tuple[Shares, Shares]:
    first = Shares(
        label="time before" if along.seconds else "multiply-accumulates before",
        heading="time before" if along.seconds else "work before",
        kind="work",
        values=_before(along.seconds or along.multiply_accumulates),
    )
    return first, Shares(
        label="weights before",
        heading="weights before",
        kind="weights",
        values=_before(along.weight_bytes),
    )


def _before(values: Sequence[float]) -> list[float]:
    total = float(sum(values))
    return [0.0, *(value / total if total else 0.0 for value in accumulate(values))]


def _cuts(survey: ModelSurvey) -> tuple[Cut, ...]:
    return tuple(Cut(at=place.operators, tensors=place.tensors) for place in survey.places)


def _segments(survey: ModelSurvey, made: Manifest, report: SplitReport | None) -> Iterator[Segment]:
    """Yield the segments with their part of the measured time, or else of the work."""
    seconds = report.segment_seconds if report else ()
    if len(seconds) == len(made.segments) and sum(seconds) > 0:
        parts, of = list(seconds), "time"
    else:
        marks = [0, *(place.operators for place in survey.places), survey.operators]
        work = survey.along.multiply_accumulates
        parts, of = [float(sum(work[b:e])) for b, e in pairwise(marks)], "work"
    total = sum(parts) or 1.0
    for segment, part in zip(made.segments, parts, strict=True):
        share = f"{100 * part / total:.0f} % of {of}"
        if of == "time":
            share += f", {seconds_text(part)}"
        yield Segment(name=segment.name, share=share)
