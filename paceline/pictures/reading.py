"""Read a picture: upright, RGB, bounded. This file meets Pillow's decoders and their errors."""

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from paceline.pictures.errors import PictureError, PictureTooLargeError, PillowMissingError
from wire.errors import CodedError

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS: Final = 64 << 20
"""Of one picture; 192 MiB as RGB."""
_FORMATS: Final = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM")
"""Others run interpreters (EPS) or are rarely used, and so rarely tested, decoders."""
_PAPER: Final = (255, 255, 255, 255)


def need_pillow() -> None:
    """Check that Pillow is there.

    Raises:
        PillowMissingError: It is not.
    """
    try:
        import PIL.Image  # noqa: F401, PLC0415 an extra: imported on first use
    except ImportError as error:
        raise PillowMissingError(str(error)) from error


def read(source: "str | Path | bytes | Image", name: str | None = None) -> "Image":
    """Return the picture, turned upright as its EXIF says, in mode RGB, whole in memory.

    Transparent parts show white paper; of an animation, the first frame. A Pillow picture that is
    given is not changed; the one returned may be the same.

    Args:
        source: A file's path, its bytes, or a Pillow picture.
        name: What errors call it; None: the path, or ``picture``.

    Raises:
        PillowMissingError: Pillow is not installed.
        PictureError: No file there, or not a picture of a format that we read.
        PictureTooLargeError: It has more than ``MAX_PIXELS`` pixels.
    """
    need_pillow()
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415 an extra

    path = isinstance(source, (str, Path))
    name = name or (str(source) if path else "picture")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            if isinstance(source, Image.Image):
                return _upright(source, name)
            content = io.BytesIO(source) if isinstance(source, bytes) else source
            with Image.open(content, formats=_FORMATS) as opened:
                return _upright(opened, name)
    except CodedError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureTooLargeError(name, None, MAX_PIXELS) from error
    except UnidentifiedImageError as error:
        raise PictureError(name, "not a picture of a format that we read") from error
    except OSError as error:
        raise PictureError(name, f"cannot be read ({error.strerror or error})") from error
    except Exception as error:  # decoders raise whatever broken content leads to
        problem = f"cannot be decoded ({type(error).__name__}: {error})"
        raise PictureError(name, problem) from error


def _upright(image: "Image", name: str) -> "Image":
    from PIL import ImageOps  # noqa: PLC0415 an extra

    pixels = image.width * image.height
    if pixels > MAX_PIXELS:  # known from the header: nothing is decoded yet
        raise PictureTooLargeError(name, pixels, MAX_PIXELS)
    if not pixels:
        raise PictureError(name, "has no pixels")
    image.load()
    turned = ImageOps.exif_transpose(image)
    return _rgb(turned, name)


def _rgb(image: "Image", name: str) -> "Image":
    from PIL import Image  # noqa: PLC0415 an extra

    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    if image.mode.startswith("I"):  # 16 bits a pixel; convert() would cut at 255
        eight = np.asarray(image).astype(np.int64) >> 8
        return Image.fromarray(eight.clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise PictureError(name, "has floating-point pixels of unknown range")
    if image.has_transparency_data:
        paper = Image.new("RGBA", image.size, _PAPER)
        return Image.alpha_composite(paper, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")
