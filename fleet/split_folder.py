"""Read the folder that a split wrote, and check that it is still what was written."""

from pathlib import Path
from typing import Final

import msgspec

from fleet import digests
from fleet.edgetpu.report import EdgeTpuReport
from fleet.errors import DamagedSplitError
from wire import manifest
from wire.manifest import Manifest, Segment

MANIFEST_FILE: Final = "pipeline.json"
REPORT_FILE: Final = "split.json"
CHUNKS_FILE: Final = "chunks.json"
SEGMENTS_FOLDER: Final = "segments"
COMPOSED: Final = "composed"
"""As a manifest's ``cut_space``: nothing was cut, the user gave the stages."""


class SplitReport(msgspec.Struct, frozen=True, kw_only=True):
    """`split.json`: how the model was cut, for people and for `verify`."""

    source: str
    """The model's path when it was cut; `verify` looks for it there."""
    cuts: tuple[tuple[str, ...], ...]
    """Tensors that each cut carries."""
    cut_bytes: tuple[int, ...]
    """What one frame carries across each cut, for the sizes of the reference run."""
    multiply_accumulates: tuple[int, ...]
    """Of each segment, for those sizes; operators without a rule count nothing."""
    balance: str = "flops"
    """What was made equal: ``time``, ``flops`` or ``bytes``."""
    segment_seconds: tuple[float, ...] = ()
    """What each segment took, where it was measured."""
    notes: tuple[str, ...] = ()
    edgetpu: EdgeTpuReport | None = None
    """Where it was split for the Edge TPU."""
    parts: tuple[str, ...] = ()
    """Files of the stages, where the pipeline was composed: then there is no whole model."""
    adapters: tuple[str, ...] = ()
    """What is between stages that were composed, one sentence each."""


def segment_folder(folder: Path, segment: Segment) -> Path:
    """Return where a segment's files are."""
    return folder / SEGMENTS_FOLDER / segment.name


def read(folder: Path) -> Manifest:
    """Return the manifest of the split in ``folder``, its segments' files checked by digest.

    Raises:
        DamagedSplitError: A file is missing or is not the one that was written.
        ManifestError: The manifest is not of a schema we know.
    """
    found = read_manifest(folder)
    for segment in found.segments:
        for expected in segment.files:
            _check(segment_folder(folder, segment) / expected.name, expected)
    return found


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest in ``folder``; its segments' files are not looked at.

    Raises:
        DamagedSplitError: It cannot be read.
        ManifestError: It is not of a schema we know.
    """
    path = folder / MANIFEST_FILE
    try:
        return manifest.decode(path.read_bytes(), source=str(path))
    except OSError as error:
        raise DamagedSplitError(str(path), f"cannot be read ({error.strerror})") from error


def read_report(folder: Path) -> SplitReport | None:
    """Return the report beside the manifest; None where there is none, it only helps people."""
    try:
        return msgspec.json.decode((folder / REPORT_FILE).read_bytes(), type=SplitReport)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def _check(path: Path, expected: manifest.File) -> None:
    try:
        actual = digests.file(path)
    except OSError as error:
        raise DamagedSplitError(str(path), f"cannot be read ({error.strerror})") from error
    if actual.size_bytes != expected.size_bytes:
        problem = f"has {actual.size_bytes} bytes (the manifest says {expected.size_bytes})"
        raise DamagedSplitError(str(path), problem)
    if actual.sha256 != expected.sha256:
        problem = f"sha256 is {actual.sha256[:12]} (the manifest says {expected.sha256[:12]})"
        raise DamagedSplitError(str(path), problem)
