"""A manifest's ``preprocess`` block: from a picture to the input tensor."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from paceline.pictures import geometry, reading
from paceline.pictures.errors import PictureBlockError
from paceline.pictures.geometry import Geometry
from wire.manifest import Picture

if TYPE_CHECKING:
    from PIL.Image import Image

_FLOAT32: Final = 1
_UINT8: Final = 2
_CHANNELS: Final = {"RGB": 3, "BGR": 3, "L": 1}
_LAYOUTS: Final = ("NCHW", "NHWC")
_RAW_SCALES: Final = (1.0, Picture(input="", width=1, height=1).scale)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A picture made ready for a model."""

    array: NDArray[Any]
    """``[1, C, H, W]`` or ``[1, H, W, C]``, float32 or uint8, contiguous; belongs to the caller."""
    geometry: Geometry
    """The way back from the model's coordinates to the picture's."""
    picture: "Image"
    """The picture itself, upright and RGB, to draw on a copy of it."""


def prepare(
    source: "str | Path | bytes | Image", how: Picture, *, name: str | None = None
) -> Prepared:
    """Return the input tensor for one picture.

    A float32 element is ``(value * scale - mean) / std`` with the value 0..255; ``mean`` and
    ``std`` are in the tensor's channel order. A uint8 tensor holds the values themselves.

    Args:
        source: A file's path, its bytes, or a Pillow picture.
        how: The manifest's block.
        name: What errors call the picture.

    Raises:
        PillowMissingError: Pillow is not installed.
        PictureError: Not a picture.
        PictureTooLargeError: Too many pixels.
        PictureBlockError: The block asks for what cannot be done.
    """
    check(how)
    picture = reading.read(source, name)
    place = geometry.fitted(picture.size, (how.width, how.height), how.fit)
    return Prepared(_tensor(_fitted(picture, place, how), how), place, picture)


def check(how: Picture) -> None:
    """Check a ``preprocess`` block.

    Raises:
        PictureBlockError: A field has a value that cannot be used.
    """
    choices: tuple[tuple[str, Any, tuple[Any, ...]], ...] = (
        ("fit", how.fit, geometry.FITS),
        ("channels", how.channels, tuple(_CHANNELS)),
        ("layout", how.layout, _LAYOUTS),
        ("dtype", how.dtype, (_FLOAT32, _UINT8)),
    )
    for field, got, allowed in choices:
        if got not in allowed:
            raise PictureBlockError(field, got, " or ".join(map(str, allowed)))
    sides = min(how.width, how.height)
    if sides < 1 or how.width * how.height > reading.MAX_PIXELS:
        expected = f"1 to {reading.MAX_PIXELS} pixels"
        raise PictureBlockError("width", f"{how.width} x {how.height}", expected)
    if not 0 <= how.pad <= 255:
        raise PictureBlockError("pad", how.pad, "0 to 255")
    _check_numbers(how)


def _check_numbers(how: Picture) -> None:
    counts = (0, 1, _CHANNELS[how.channels])
    for name, numbers in (("mean", how.mean), ("std", how.std)):
        if len(numbers) not in counts or not all(map(math.isfinite, numbers)):
            raise PictureBlockError(name, numbers, f"{counts[-1]} finite numbers, or one, or none")
    if 0 in how.std:
        raise PictureBlockError("std", how.std, "no zero")
    if not math.isfinite(how.scale):
        raise PictureBlockError("scale", how.scale, "a finite number")
    if how.dtype == _UINT8 and (how.mean or how.std or how.scale not in _RAW_SCALES):
        got = f"scale {how.scale}, mean {how.mean}, std {how.std}"
        raise PictureBlockError("dtype", got, "no scale, mean or std with uint8: it is raw values")


def _fitted(picture: "Image", place: Geometry, how: Picture) -> NDArray[np.uint8]:
    """Return ``[H, W, C] uint8`` in the tensor's channel order."""
    from PIL import Image  # noqa: PLC0415 an extra

    grey = how.channels == "L"
    if grey:
        picture = picture.convert("L")
    if picture.size != (place.width, place.height):
        picture = picture.resize((place.width, place.height), Image.Resampling.BILINEAR)
    inner = np.asarray(picture).reshape(place.height, place.width, -1)
    if how.channels == "BGR":
        inner = inner[..., ::-1]
    if (place.width, place.height) == (how.width, how.height):
        return inner
    whole = np.full((how.height, how.width, inner.shape[2]), how.pad, np.uint8)
    whole[place.top : place.top + place.height, place.left : place.left + place.width] = inner
    return whole


def _tensor(pixels: NDArray[np.uint8], how: Picture) -> NDArray[Any]:
    height, width, channels = pixels.shape
    table = _table(how, channels)
    if how.layout == "NCHW":
        array = np.empty((1, channels, height, width), table.dtype)
        planes = array[0]
    else:
        array = np.empty((1, height, width, channels), table.dtype)
        planes = np.moveaxis(array[0], 2, 0)
    for channel in range(channels):
        planes[channel] = table[channel][pixels[..., channel]]
    return array


def _table(how: Picture, channels: int) -> NDArray[Any]:
    """Return ``[C, 256]``: the element for each value; rounded once, the same on any machine."""
    values = np.arange(256, dtype=np.float64)
    if how.dtype == _UINT8:
        return np.tile(values.astype(np.uint8), (channels, 1))
    mean = np.resize(how.mean or 0.0, channels)[:, None]
    std = np.resize(how.std or 1.0, channels)[:, None]
    elements: NDArray[np.float32] = ((values * how.scale - mean) / std).astype(np.float32)
    return elements
