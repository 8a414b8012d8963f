"""``paceline split``."""

import os
import shlex
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from cyclopts import Parameter
from rich.console import Console

from fleet import split as splitting
from fleet import split_folder
from fleet.edgetpu.memory import FOR_WEIGHTS_BYTES
from fleet.errors import BadRequestError
from fleet.formats import AUTO, CutRequest
from paceline.cache import measured_folder
from paceline.dimensions import dimension
from paceline.edgetpu_options import EdgeTpuOptions
from paceline.options import OutputOptions
from paceline.pictures.preprocess import check
from paceline.show import edgetpu as edgetpu_view
from paceline.show.tables import described, segments_table
from wire.manifest import Answer, Manifest, Picture

MOST_THREADS: Final = 256
MOST_SEED: Final = (1 << 63) - 1
Block = TypeVar("Block", Picture, Answer)


def split(  # noqa: PLR0913 one for each option
    model: Path,
    /,
    *,
    out: Path,
    stages: str | None = None,
    at: str | None = None,
    balance: Literal["time", "flops", "bytes"] | None = None,
    threads: int = 1,
    remeasure: Annotated[bool, Parameter(negative=())] = False,
    example: Annotated[Path | None, Parameter(name="--input")] = None,
    dim: Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)] = (),
    name: str | None = None,
    preprocess: Path | None = None,
    postprocess: Path | None = None,
    seed: int = 0,
    edge: EdgeTpuOptions = EdgeTpuOptions(),  # noqa: B008 frozen
    how: OutputOptions = OutputOptions(),  # noqa: B008 frozen
) -> int:
    """Cut a model into segments.

    Args:
        model: The model, such as model.onnx or model.tflite.
        out: The folder to write; one that an earlier split wrote is replaced.
        stages: How many segments; `auto`: as many as each make the slowest clearly faster, or, with
            --for edgetpu, the fewest whose weights fit there (its default).
        at: Cut at these tensors instead, T1,T2: one cut each; T1+T2 are one cut.
        balance: What segments shall have equal parts of: measured time (default), flops, which are
            multiply-accumulates (default with --for edgetpu), or bytes of weights.
        threads: How many threads a segment is measured with.
        remeasure: Measure again; else cuts of this model that were measured before are taken.
        example: An .npz with one array for each input, where made-up ones do not do.
        dim: The size of a dynamic dimension, NAME=N; may be repeated.
        name: The pipeline's name; else made from the file's name.
        preprocess: A JSON file that says how a picture becomes the input.
        postprocess: A JSON file that says what people want to see of the outputs.
        seed: For made-up inputs.
        edge: For an Edge TPU.
        how: How to answer.
    """
    cuts = _cuts(at)
    edgetpu = edge.edgetpu
    if edgetpu and dim:
        raise BadRequestError("--dim", "with --for edgetpu sizes are those of the model's file")
    if edgetpu and stages is None and not cuts:
        stages = "auto"
    request = CutRequest(
        stages=_stages(stages, cuts),
        at=cuts,
        balance=balance or ("flops" if edgetpu else "time"),
        most_weight_bytes=FOR_WEIGHTS_BYTES if edgetpu else None,
        fixed_sizes=edgetpu is not None,
        threads=_between("--threads", threads, 1, MOST_THREADS),
        memory=measured_folder(os.environ),
        remeasure=remeasure,
        dims=dict(dimension(text) for text in dim),
        example=example,
        seed=_between("--seed", seed, 0, MOST_SEED),
    )
    presentation = splitting.Presentation(
        name=name,
        preprocess=picture_block(preprocess),
        postprocess=block("--postprocess", postprocess, Answer),
    )
    with how.output.progress() as tell:
        made = splitting.split(model, out, request, presentation, tell, edgetpu=edgetpu)
    report = split_folder.read_report(out)
    how.output.result(
        described(out, made, report),
        lambda console: _show(console, out, made, report),
    )
    return 0


def _cuts(at: str | None) -> tuple[str, ...]:
    if at is None:
        return ()
    cuts = tuple(cut.strip() for cut in at.split(","))
    if not all(cuts):
        raise BadRequestError(f"--at {at!r}", "a tensor's name is empty")
    return cuts


def _stages(stages: str | None, cuts: tuple[str, ...]) -> int:
    if stages is None and not cuts:
        raise BadRequestError("--stages", "neither it nor --at was given")
    if stages is None:
        return 1
    if stages == "auto":
        if cuts:
            raise BadRequestError("--stages auto", f"--at makes {len(cuts) + 1} segments")
        return AUTO
    if not (stages.isascii() and stages.isdigit() and len(stages) < 7):
        raise BadRequestError(f"--stages {stages}", "is no number of segments, and not `auto`")
    if int(stages) < 1:
        raise BadRequestError(f"--stages {stages}", "is too few (at least 1)")
    if cuts and int(stages) != len(cuts) + 1:
        raise BadRequestError(f"--stages {stages}", f"--at makes {len(cuts) + 1} segments")
    return int(stages)


def _between(option: str, number: int, least: int, most: int) -> int:
    if not least <= number <= most:
        raise BadRequestError(f"{option} {number}", f"is out of range ({least} to {most})")
    return number


def picture_block(path: Path | None) -> Picture | None:
    """Return what ``--preprocess`` says.

    Raises:
        BadRequestError: It is no such block.
    """
    picture = block("--preprocess", path, Picture)
    if picture is not None:
        check(picture)
    return picture


def block(option: str, path: Path | None, kind: type[Block]) -> Block | None:
    """Return the block in a JSON file that an option names; None: there is no such option.

    Raises:
        BadRequestError: It cannot be read, or is no such block.
    """
    if path is None:
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise BadRequestError(f"{option} {path}", f"cannot be read ({error.strerror})") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequestError(f"{option} {path}", f"is no such block ({error})") from error


def _show(
    console: Console, out: Path, made: Manifest, report: split_folder.SplitReport | None
) -> None:
    console.print(segments_table(made, report))
    for note in report.notes if report else ():
        console.print(f"note: {note}", style="dim")
    if report and report.cuts:
        given = {spec.name for spec in made.inputs}
        again = ",".join("+".join(n for n in cut if n not in given) for cut in report.cuts)
        line = f"the same cuts again: --at {shlex.quote(again)}"
        console.print(line, style="dim", soft_wrap=True)  # to be copied, it is one line
    if report and report.edgetpu:
        edgetpu_view.show(console, out, report.edgetpu)
    devices = ",".join(f"DEVICE{n + 1}" for n in range(len(made.segments)))
    compiled = not (report and report.edgetpu and edgetpu_view.to_compile(report.edgetpu))
    then = "Next:" if compiled else "Once it is compiled:"
    console.print(f"\nWritten to {out}. {then} paceline deploy {out} --to {devices}")
