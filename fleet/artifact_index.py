"""Which file has which SHA-256: built from manifests, so nothing else can ever be served."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from wire import manifest as manifests
from wire.errors import CodedError

MANIFEST: Final = "pipeline.json"
SEGMENTS: Final = "segments"

_RANGE: Final = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


class ArtifactFolderError(CodedError):
    """A folder does not hold the split model that its manifest describes."""

    code = "artifact.bad_folder"
    exit_code: ClassVar[int] = 3

    def __init__(self, folder: Path, problem: str) -> None:
        super().__init__(folder, problem)
        self.folder = folder
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.folder}: {self.problem}; name a folder that `paceline split` wrote"


@dataclass(frozen=True, slots=True)
class Artifact:
    """One file to serve."""

    path: Path
    size_bytes: int


Index = dict[str, Artifact]
"""By SHA-256 in lower-case hex."""


def index(folders: Iterable[Path]) -> Index:
    """Return the files of all segments of the split models in ``folders``.

    Contents are not read: who fetches a file checks its digest.

    Raises:
        ArtifactFolderError: No manifest, or a file is missing or of another size.
        ManifestError: The manifest is none.
    """
    found: Index = {}
    for folder in folders:
        found.update(_index_of(folder))
    return found


def _index_of(folder: Path) -> Index:
    source = folder / MANIFEST
    try:
        with source.open("rb") as file:
            data = file.read(manifests.MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        raise ArtifactFolderError(folder, f"no {MANIFEST} ({error.strerror})") from error
    found: Index = {}
    for segment in manifests.decode(data, str(source)).segments:
        for file_of in segment.files:
            path = folder / SEGMENTS / segment.name / file_of.name
            _check_inside(folder, path)
            _check_size(folder, path, file_of.size_bytes)
            found[file_of.sha256] = Artifact(path, file_of.size_bytes)
    return found


def _check_inside(folder: Path, path: Path) -> None:
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ArtifactFolderError(folder, f"{path} lies outside of it")


def _check_size(folder: Path, path: Path, size_bytes: int) -> None:
    if not path.is_file():
        raise ArtifactFolderError(folder, f"{path} is missing")
    actual = path.stat().st_size
    if actual != size_bytes:
        raise ArtifactFolderError(folder, f"{path} has {actual} bytes, not {size_bytes}")


def wanted_range(header: str | None, size_bytes: int) -> range | None:
    """Return the bytes that a ``Range`` header asks for; empty: it cannot be satisfied.

    None: everything, since there is no header, or one that a server may ignore (several ranges,
    other units). Source: RFC 9110, section 14.
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        return range(max(0, size_bytes - int(last)), size_bytes)
    end = min(int(last) + 1, size_bytes) if last else size_bytes
    if last and int(last) < int(first):
        return None
    return range(int(first), end)
