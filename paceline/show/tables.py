"""A model or a split as tables, for people; and a split as plain data, for programs.

Names are from a model's file: what could steer a terminal is left out of them.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from fleet.split_folder import COMPOSED, SplitReport
from fleet.survey import CutPlace, ModelSurvey, OperatorKind
from paceline.formatting import counted, seconds_text, size_text, work_text
from paceline.output import one_line
from paceline.show import edgetpu as edgetpu_view
from wire.manifest import Manifest
from wire.tensors import ELEMENT_TYPES, TensorSpec


def show_model(console: Console, survey: ModelSurvey) -> None:
    """Print what there is to know of a model."""
    for line in _totals(survey):
        console.print(one_line(line))
    console.print()
    console.print(kinds_table(survey.kinds))
    if survey.places:
        console.print("\nThe narrowest places along the graph:")
        console.print(places_table(survey.places))
    for note in survey.notes:
        console.print(f"note: {one_line(note)}", style="dim")


def show_split(console: Console, folder: Path, made: Manifest, report: SplitReport | None) -> None:
    """Print what a split wrote."""
    stages = len(made.segments)
    console.print(
        f"{made.name}: {one_line(made.model.name)} in {stages} segment{'s' * (stages > 1)}"
    )
    if made.cut_space == COMPOSED:
        for part in report.parts if report else ():
            console.print(f"from {one_line(part)}", style="dim")
    elif made.cut_space == "named":
        console.print("cuts: where the user said", style="dim")
    elif stages > 1:
        balance = f", balanced by {report.balance}" if report else ""
        console.print(f"cuts: best of {made.cut_space}{balance}", style="dim")
    console.print(segments_table(made, report))
    for adapter in report.adapters if report else ():
        console.print(f"adapter: {one_line(adapter)}", style="dim")
    for note in report.notes if report else ():
        console.print(f"note: {one_line(note)}", style="dim")
    if report and report.edgetpu:
        edgetpu_view.show(console, folder, report.edgetpu)


def described(folder: Path, made: Manifest, report: SplitReport | None) -> dict[str, object]:
    """Return what ``--json`` prints of a split."""
    edgetpu = report.edgetpu if report else None
    return {
        "folder": str(folder),
        "pipeline": made.name,
        "digest": made.digest,
        "segments": [
            {
                "name": segment.name,
                "operators": segment.operators,
                "weight_bytes": segment.weight_bytes,
                "peak_bytes": segment.peak_bytes,
            }
            for segment in made.segments
        ],
        "cuts": report.cuts if report else None,
        "cut_bytes": report.cut_bytes if report else None,
        "cut_space": made.cut_space,
        "balance": report.balance if report else None,
        "segment_seconds": report.segment_seconds if report else None,
        "parts": report.parts if report else (),
        "adapters": report.adapters if report else (),
        "multiply_accumulates": report.multiply_accumulates if report else None,
        "notes": report.notes if report else (),
        **({"edgetpu": edgetpu_view.described(folder, edgetpu)} if edgetpu else {}),
    }


def segments_table(made: Manifest, report: SplitReport | None) -> Table:
    """Return the segments of a split, one a row."""
    table = _table(
        "segment", "operators", "weights", "peak memory", "time", "sends",
        last="tensors at the cut behind it",
    )  # fmt: skip
    sends = report.cut_bytes if report else ()
    seconds = report.segment_seconds if report else ()
    for index, segment in enumerate(made.segments):
        cut = made.edges[index + 1].tensors
        last = index == len(made.segments) - 1
        table.add_row(
            segment.name,
            str(segment.operators),
            size_text(segment.weight_bytes),
            size_text(segment.peak_bytes),
            seconds_text(seconds[index]) if index < len(seconds) else "",
            size_text(sends[index]) if index < len(sends) else "",
            "" if last else one_line(", ".join(spec.name for spec in cut)),
        )
    return table


def kinds_table(kinds: Sequence[OperatorKind]) -> Table:
    """Return the operators by kind, those that are most work first."""
    timed = any(kind.seconds is not None for kind in kinds)
    work = sum(kind.multiply_accumulates for kind in kinds)
    seconds = sum(kind.seconds or 0.0 for kind in kinds)
    titles = ["operators", "count", "multiply-accumulates", "share", "weights"]
    table = _table(*titles, *(("time", "share") if timed else ()))
    for kind in kinds:
        ruled = kind.without_rule < kind.count
        cells = [
            one_line(kind.name),
            str(kind.count),
            _work_cell(kind),
            _percent(kind.multiply_accumulates, work) if ruled else "",
            size_text(kind.weight_bytes),
        ]
        if timed:
            cells += [seconds_text(kind.seconds or 0.0), _percent(kind.seconds or 0.0, seconds)]
        table.add_row(*cells)
    return table


def places_table(places: Sequence[CutPlace]) -> Table:
    """Return places to cut, in order."""
    timed = any(place.time_share is not None for place in places)
    before = ("time before",) if timed else ()
    table = _table(
        "", "operators before", "sends", *before, "work before", "weights before",
        last="tensors that cross",
    )  # fmt: skip
    for number, place in enumerate(places, start=1):
        shares = [place.work_share, place.weight_share]
        if timed:
            shares.insert(0, place.time_share or 0.0)
        table.add_row(
            str(number),
            str(place.operators),
            size_text(place.size_bytes),
            *(_percent(share, 1.0) for share in shares),
            one_line(", ".join(place.tensors)),
        )
    return table


def _totals(survey: ModelSurvey) -> Iterator[str]:
    opsets = ", ".join(f"{name} {version}" for name, version in survey.opsets.items())
    opsets = f", opset {opsets}" if opsets else ""
    work = work_text(sum(survey.along.multiply_accumulates))
    yield f"{survey.model.name} (sha256 {survey.model.sha256[:12]}){opsets}"
    yield (
        f"{counted(survey.operators, 'operator')}, {size_text(survey.weight_bytes)} of weights,"
        f" {work} multiply-accumulates"
    )
    for spec in survey.inputs:
        sizes = survey.sizes.get(spec.name, spec.shape)
        taken = f", here {_shape(sizes)}" if tuple(sizes) != spec.shape else ""
        yield f"input {_spec_text(spec)}{taken}"
    for spec in survey.outputs:
        yield f"output {_spec_text(spec)}"


def _spec_text(spec: TensorSpec) -> str:
    kind = ELEMENT_TYPES[spec.dtype].name if spec.dtype in ELEMENT_TYPES else "of another type"
    return f"{spec.name} {kind} {_shape(spec.shape)}"


def _shape(sizes: Sequence[int | str]) -> str:
    return f"[{', '.join(str(size) if size != '' else '?' for size in sizes)}]"


def _work_cell(kind: OperatorKind) -> str:
    if kind.without_rule == kind.count:
        return "no rule"
    work = work_text(kind.multiply_accumulates)
    return f"{work} ({kind.without_rule} no rule)" if kind.without_rule else work


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %" if whole else ""


def _table(first: str, *titles: str, last: str | None = None) -> Table:
    """Return a table: a name, numbers, and perhaps names that may be long."""
    table = Table(box=None, pad_edge=False)
    table.add_column(first)
    for title in titles:
        table.add_column(title, justify="right")
    if last is not None:
        table.add_column(last, overflow="fold")
    return table
