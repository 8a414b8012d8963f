"""The files of a segment's folder, as a manifest lists them."""

import hashlib
from pathlib import Path

from wire.manifest import File


def files(folder: Path) -> tuple[File, ...]:
    """Return name, SHA-256 and size of each file in ``folder``, sorted by name."""
    return tuple(file(path) for path in sorted(folder.iterdir()))


def file(path: Path) -> File:
    """Return name, SHA-256 and size of one file."""
    with path.open("rb") as opened:
        sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
    return File(name=path.name, sha256=sha256, size_bytes=path.stat().st_size)
