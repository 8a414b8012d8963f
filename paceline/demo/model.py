"""The demo's model: PP-OCRv6's small text detector, with real weights, out of a package.

Source: PaddleOCR (Apache-2.0), as ONNX in the package ``rapidocr``. Channels, mean and std are
those it was trained with, thresholds and unclip those that rapidocr uses.
"""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from paceline.cache import cache_folder
from paceline.demo import package_file
from paceline.demo.package_file import PackageFile
from wire.manifest import Answer, Picture

SIDE_PIXELS: Final = 640

FILE: Final = PackageFile(
    requirement="rapidocr==3.10.0",
    path="rapidocr/models/PP-OCRv6_det_small.onnx",
    sha256="090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
    download_bytes=27_100_000,
)

DIMS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "DynamicDimension.0": 1,
        "DynamicDimension.1": SIDE_PIXELS,
        "DynamicDimension.2": SIDE_PIXELS,
    }
)
"""Sizes for the model's named dimensions."""

PREPROCESS: Final = Picture(
    input="x",
    width=SIDE_PIXELS,
    height=SIDE_PIXELS,
    channels="BGR",
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
)
POSTPROCESS: Final = Answer(
    kind="text_boxes", output="fetch_name_0", threshold=0.3, box_threshold=0.5, unclip=1.6
)


def fetch(*, cache: Path | None = None, say: Callable[[str], None] | None = None) -> Path:
    """Return the model's file, fetched on first use.

    Args:
        cache: Folder to keep it in; None: ``models`` in the user's cache.
        say: Called with a line for whoever waits; None: stderr.

    Raises:
        ModelUnavailableError: It is not here and cannot be fetched.
        ModelMismatchError: What came is not the recorded file.
        CacheUnusableError: The cache cannot be written.
    """
    folder = cache or cache_folder(os.environ) / "models"
    return package_file.fetch(FILE, folder, say=say or _to_stderr)


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
