"""Where TensorRT's engines are kept: built on the device for one segment, GPU and version.

An engine is a program for one GPU and one version of the libraries: elsewhere it is refused or,
worse, slow. So its folder is named by all of them, it is never shipped, and what belongs to
segments that have gone is deleted.

    <state folder>/engines/<segment digest>-<key>/     beside the store, as long as the segment is
    ~/.cache/paceline/engines/<digest>-<key>/          of models that are measured or tried
"""

import hashlib
import os
import shutil
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final

from wire import segment_files

FOLDER: Final = "engines"
_STORE: Final = "store"
_FILES: Final = (segment_files.ONNX, segment_files.WEIGHTS)
_DIGEST_CHARACTERS: Final = 64


def key(gpu: str, versions: Iterable[str]) -> str:
    """Return what tells engines of one segment apart: 16 hex digits.

    Args:
        gpu: What the GPU is, such as ``NVIDIA Jetson Orin Nano``.
        versions: Of all that builds and loads engines.
    """
    return hashlib.sha256("\n".join((gpu, *versions)).encode()).hexdigest()[:16]


def folder_of(segment: Path, key: str) -> Path:
    """Return the folder for a segment's engines, which need not exist.

    Args:
        segment: A folder of the store, which is named by its digest, or any other, or a file.
        key: See `key`.
    """
    if _is_stored(segment):
        return segment.parent.parent / FOLDER / f"{segment.name}-{key}"
    cache = os.environ.get("PACELINE_CACHE") or Path.home() / ".cache" / "paceline"
    return Path(cache) / FOLDER / f"{_digest(segment)}-{key}"


def make_ready(folder: Path, segment: Path) -> None:
    """Make a folder for engines, and delete those of segments that the store no longer has."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if _is_stored(segment):
        kept = {path.name for path in segment.parent.iterdir()}
        for gone in stale([path.name for path in folder.parent.iterdir()], kept):
            shutil.rmtree(folder.parent / gone, ignore_errors=True)


def stale(names: Iterable[str], digests: Collection[str]) -> tuple[str, ...]:
    """Return those of the folders ``names`` that belong to none of the segments ``digests``."""
    return tuple(name for name in names if name.partition("-")[0] not in digests)


def _is_stored(segment: Path) -> bool:
    is_digest = len(segment.name) == _DIGEST_CHARACTERS
    return is_digest and segment.parent.name == _STORE and segment.is_dir()


def _digest(segment: Path) -> str:
    files = [segment / name for name in _FILES] if segment.is_dir() else [segment]
    hasher = hashlib.sha256()
    for file in files:
        if file.exists():
            with file.open("rb") as content:
                hasher.update(hashlib.file_digest(content, "sha256").digest())
    return hasher.hexdigest()
