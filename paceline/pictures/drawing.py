"""Paint on a picture what was found in it, and save it."""

import os
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from paceline.pictures.errors import PictureNotWrittenError, PillowMissingError
from paceline.pictures.labels import Label
from paceline.pictures.reading import need_pillow
from paceline.pictures.text_boxes import TextBox

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

FORMATS: Final = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
"""What a file's suffix asks for."""

Colour = tuple[int, int, int]
SURE: Final[Colour] = (0, 168, 107)
UNSURE: Final[Colour] = (240, 140, 0)
_SURE_FROM: Final = 0.7
_FILL_OPACITY: Final = 34
_LINE_OPACITY: Final = 235
_FINE: Final = 2
"""Drawn so many times larger and then reduced: Pillow's own lines are not smooth."""
_MAX_FINE_PIXELS: Final = 16 << 20
"""Larger pictures are drawn on as they are: nobody sees single pixels there."""


def draw_text_boxes(picture: "Image", boxes: Sequence[TextBox]) -> "Image":
    """Return a copy of ``picture`` with each box and its score; green is sure, orange is not.

    Raises:
        PillowMissingError: Pillow is not installed.
    """
    need_pillow()
    from PIL import Image, ImageDraw  # noqa: PLC0415 an extra

    fine = _FINE if picture.width * picture.height <= _MAX_FINE_PIXELS else 1
    unit = fine * max(1.0, min(picture.size) / 640)
    layer = Image.new("RGBA", (picture.width * fine, picture.height * fine))
    draw = ImageDraw.Draw(layer)
    for box in boxes:
        colour = SURE if box.score >= _SURE_FROM else UNSURE
        corners = [(x * fine, y * fine) for x, y in box.corners]
        draw.polygon(corners, fill=(*colour, _FILL_OPACITY))
        line = [*corners, *corners[:2]]  # past the start, so that the first corner is joined too
        draw.line(line, (*colour, _LINE_OPACITY), round(1.5 * unit), joint="curve")
    for box in boxes:
        corner = (box.corners[1][0] * fine, box.corners[1][1] * fine)
        _draw_score(layer, corner, box.score, unit)
    return _laid_over(picture, layer)


def draw_labels(picture: "Image", labels: Sequence[Label]) -> "Image":
    """Return a copy of ``picture`` with a panel of labels, each with a bar as long as its score.

    Raises:
        PillowMissingError: Pillow is not installed.
    """
    need_pillow()
    from PIL import Image, ImageDraw  # noqa: PLC0415 an extra

    unit = max(0.5, min(picture.size) / 640)
    layer = Image.new("RGBA", picture.size)
    draw = ImageDraw.Draw(layer)
    high, width = 30 * unit, min(300 * unit, picture.width - 24 * unit)
    left, top = 12 * unit, picture.height - 12 * unit - high * len(labels)
    if labels:
        panel = (left, top - 4 * unit, left + width, picture.height - 8 * unit)
        draw.rounded_rectangle(panel, 6 * unit, fill=(16, 20, 26, 190))
    for number, label in enumerate(labels):
        y = top + number * high
        bar = (left + 6 * unit, y + 3 * unit, left + 6 * unit, y + high - 3 * unit)
        full = width - 12 * unit
        draw.rectangle((bar[0], bar[1], bar[0] + full * label.score, bar[3]), (*SURE, 150))
        middle, font = y + high / 2, _font(15 * unit)
        draw.text((left + 14 * unit, middle), label.name, "white", font, anchor="lm")
        end = (left + width - 12 * unit, middle)
        draw.text(end, f"{label.score:.3f}", "white", font, anchor="rm")
    return _laid_over(picture, layer)


def save(picture: "Image", path: Path) -> None:
    """Write ``picture`` to ``path`` whole or not at all; the suffix says the format.

    Raises:
        PictureNotWrittenError: The suffix is not known, or the file cannot be written.
    """
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise PictureNotWrittenError(str(path), f"suffix {path.suffix!r} is unknown")
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        written = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                picture.save(file, format=kind, quality=92)
            written.chmod(0o644)
            written.replace(path)
        finally:
            written.unlink(missing_ok=True)
    except (OSError, KeyError) as error:  # KeyError: Pillow was built without this format
        raise PictureNotWrittenError(str(path), str(error)) from error


def _draw_score(layer: "Image", corner: tuple[float, float], score: float, unit: float) -> None:
    """Write a score small to the right of a box, but inside the picture."""
    from PIL import ImageDraw  # noqa: PLC0415 an extra

    draw = ImageDraw.Draw(layer)
    width, height = 21 * unit, 10 * unit
    x = min(max(corner[0] + unit, 0), layer.width - width)
    y = min(max(corner[1], 0), layer.height - height)
    colour = SURE if score >= _SURE_FROM else UNSURE
    draw.rounded_rectangle((x, y, x + width, y + height), 3 * unit, fill=(*colour, 255))
    middle = (x + width / 2, y + height / 2)
    draw.text(middle, f"{score:.2f}", "white", _font(8.5 * unit), anchor="mm")


def _laid_over(picture: "Image", layer: "Image") -> "Image":
    from PIL import Image  # noqa: PLC0415 an extra

    if layer.size != picture.size:
        layer = layer.resize(picture.size, Image.Resampling.BOX)
    return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")


@lru_cache
def _font(size: float) -> "FreeTypeFont":
    from PIL import ImageFont  # noqa: PLC0415 an extra

    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise PillowMissingError("it was built without FreeType")
    return font
