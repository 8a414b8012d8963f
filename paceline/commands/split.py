"""``paceline split``."""

from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from fleet import split as splitting
from fleet import split_folder
from fleet.errors import BadRequestError
from fleet.formats import CutRequest
from paceline.formatting import size_text
from paceline.options import OutputOptions
from paceline.pictures.preprocess import check
from wire.manifest import Answer, Manifest, Picture

Block = TypeVar("Block", Picture, Answer)


def split(  # noqa: PLR0913 one for each option
    model: Path,
    /,
    *,
    out: Path,
    stages: int | None = None,
    at: str | None = None,
    example: Annotated[Path | None, Parameter(name="--input")] = None,
    dim: Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)] = (),
    name: str | None = None,
    preprocess: Path | None = None,
    postprocess: Path | None = None,
    seed: int = 0,
    how: OutputOptions = OutputOptions(),  # noqa: B008 frozen
) -> int:
    """Cut a model into segments.

    Args:
        model: The model, such as model.onnx.
        out: The folder to write; one that an earlier split wrote is replaced.
        stages: How many segments.
        at: Cut at these tensors instead, T1,T2: one cut each; T1+T2 are one cut.
        example: An .npz with one array for each input, where made-up ones do not do.
        dim: The size of a dynamic dimension, NAME=N; may be repeated.
        name: The pipeline's name; else made from the file's name.
        preprocess: A JSON file that says how a picture becomes the input.
        postprocess: A JSON file that says what people want to see of the outputs.
        seed: For made-up inputs.
        how: How to answer.
    """
    request = CutRequest(
        stages=_stages(stages, at),
        at=tuple(cut for cut in (at or "").split(",") if cut),
        dims=dict(_dimension(text) for text in dim),
        example=example,
        seed=seed,
    )
    made = splitting.split(
        model,
        out,
        request,
        splitting.Presentation(
            name=name,
            preprocess=_picture(preprocess),
            postprocess=_block("--postprocess", postprocess, Answer),
        ),
    )
    report = split_folder.read_report(out)
    notes = report.notes if report else ()
    how.output.result(
        {
            "folder": str(out),
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
            "notes": notes,
        },
        lambda console: _show(console, out, made, report),
    )
    return 0


def _stages(stages: int | None, at: str | None) -> int:
    if stages is None and not at:
        raise BadRequestError("--stages", "neither it nor --at was given")
    if stages is not None and stages < 1:
        raise BadRequestError("--stages", f"{stages} is too few (at least 1)")
    if stages is not None and at and stages != at.count(",") + 2:
        raise BadRequestError("--stages", f"{stages} contradicts --at {at}")
    return stages or 1


def _picture(path: Path | None) -> Picture | None:
    block = _block("--preprocess", path, Picture)
    if block is not None:
        check(block)
    return block


def _block(option: str, path: Path | None, kind: type[Block]) -> Block | None:
    if path is None:
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise BadRequestError(f"{option} {path}", f"cannot be read ({error.strerror})") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequestError(f"{option} {path}", f"is no such block ({error})") from error


def _dimension(text: str) -> tuple[str, int]:
    name, equals, size = text.rpartition("=")
    if not (name and equals and size.isascii() and size.isdigit() and len(size) < 10):
        raise BadRequestError(f"--dim {text}", "is not NAME=N")
    return name, int(size)


def _show(
    console: Console, out: Path, made: Manifest, report: split_folder.SplitReport | None
) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("segment")
    for title in ("operators", "weights", "peak memory", "sends"):
        table.add_column(title, justify="right")
    table.add_column("tensors at the cut behind it", overflow="fold")
    sends = report.cut_bytes if report else ()
    for index, segment in enumerate(made.segments):
        cut = made.edges[index + 1].tensors
        last = index == len(made.segments) - 1
        table.add_row(
            segment.name,
            str(segment.operators),
            size_text(segment.weight_bytes),
            size_text(segment.peak_bytes),
            size_text(sends[index]) if index < len(sends) else "",
            "" if last else ", ".join(spec.name for spec in cut),
        )
    console.print(table)
    for note in report.notes if report else ():
        console.print(f"note: {note}", style="dim")
    devices = ",".join(f"DEVICE{n + 1}" for n in range(len(made.segments)))
    console.print(f"\nWritten to {out}. Next: paceline deploy {out} --to {devices}")
