"""``paceline pipeline compose``."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from fleet.compose import compose as composing
from fleet.compose.compose import ComposeRequest
from fleet.compose.stages import LAYOUTS, Given, Layout
from fleet.errors import BadRequestError
from fleet.formats import CutRequest
from fleet.split import Presentation
from paceline.bound_options import BoundOptions
from paceline.commands.split import MOST_SEED, block, picture_block
from paceline.compose_view import show
from paceline.dimensions import dimension
from paceline.options import OutputOptions
from wire.manifest import Answer


def compose(  # noqa: PLR0913 one for each option
    *stages: Path,
    out: Annotated[Path, Parameter(name=("--out", "--output"))],
    name: str | None = None,
    layout: Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)] = (),
    lossy_casts: Annotated[bool, Parameter(negative=())] = False,
    reference: Path | None = None,
    preprocess: Path | None = None,
    postprocess: Path | None = None,
    example: Annotated[Path | None, Parameter(name="--input")] = None,
    dim: Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)] = (),
    seed: int = 0,
    bounds: BoundOptions = BoundOptions(),  # noqa: B008 frozen
    how: OutputOptions = OutputOptions(),  # noqa: B008 frozen
) -> int:
    """Make a pipeline of stages that are there, of one format or of several.

    Args:
        stages: In their order: models such as a.onnx and b.tflite, or folders of segments.
        out: The folder to write; one that an earlier split or compose wrote is replaced.
        name: The pipeline's name; else made from the folder's.
        layout: How a tensor lies, where its shape does not tell: NAME=NHWC, or 1:NAME=NCHW for
            stage 1 alone; may be repeated.
        lossy_casts: Allow casts between floats that lose digits.
        reference: A model that does the same as a whole, to compare the outputs with.
        preprocess: A JSON file that says how a picture becomes the input.
        postprocess: A JSON file that says what people want to see of the outputs.
        example: An .npz with one array for each input, where made-up ones do not do.
        dim: The size of a dynamic dimension of the first stage, NAME=N; may be repeated.
        seed: For made-up inputs.
        bounds: How far the outputs may be from the reference's.
        how: How to answer.
    """
    if not stages:
        raise BadRequestError("STAGES", "none was given")
    if bounds.first and reference is None:
        raise BadRequestError(bounds.first, "is for the outputs of a --reference")
    if not 0 <= seed <= MOST_SEED:
        raise BadRequestError(f"--seed {seed}", f"is out of range (0 to {MOST_SEED})")
    request = ComposeRequest(
        stages=stages,
        out=out,
        presentation=Presentation(
            name=name,
            preprocess=picture_block(preprocess),
            postprocess=block("--postprocess", postprocess, Answer),
        ),
        given=Given(
            request=CutRequest(
                dims=dict(dimension(text) for text in dim), example=example, seed=seed
            ),
            layouts=tuple(_layout(text) for text in layout),
            lossy_casts=lossy_casts,
        ),
        reference=reference,
        bounds=bounds.bounds,
    )
    with how.output.progress() as tell:
        report = composing.compose(request, tell)
    how.output.result(report, lambda console: show(console, report))
    return 0


def _layout(text: str) -> Layout:
    """Return what ``[STAGE:]NAME=LAYOUT`` says."""
    tensor, equals, layout = text.rpartition("=")
    if not (equals and tensor and layout in LAYOUTS):
        problem = f"is not NAME=LAYOUT with one of {', '.join(LAYOUTS)}"
        raise BadRequestError(f"--layout {text}", problem)
    number, colon, name = tensor.partition(":")
    if colon and name and number.isascii() and number.isdigit() and len(number) < 4:
        return Layout(int(number), name, layout)
    return Layout(None, tensor, layout)
