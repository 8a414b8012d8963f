"""Remembers the cuts that were measured, so that the same question gets the same answer here.

Measured times vary from run to run, and so would the cuts that they choose between. What was
chosen is kept in a folder of the user's, by a digest of all that the choice depends on.
"""

import contextlib
import hashlib
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from wire import canonical

SCHEMA: Final = 1
MAX_KEPT: Final = 500
"""Answers that are kept; the oldest go."""


class Measured(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The cuts that were chosen, and what their segments took."""

    schema: int = SCHEMA
    cuts: tuple[tuple[str, ...], ...]
    """The tensors that cross each cut."""
    cut_space: str
    seconds: tuple[float, ...]
    notes: tuple[str, ...] = ()


def key(question: msgspec.Struct) -> str:
    """Return the digest of a question: all that its answer depends on."""
    return hashlib.sha256(canonical.encode(question)).hexdigest()


def recall(folder: Path, name: str) -> Measured | None:
    """Return what was kept under ``name``; None where nothing was, or nothing that can be read."""
    try:
        found = msgspec.json.decode((folder / f"{name}.json").read_bytes(), type=Measured)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    return found if found.schema == SCHEMA else None


def keep(folder: Path, name: str, measured: Measured) -> None:
    """Keep ``measured`` under ``name``; where the folder cannot be written it is forgotten."""
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".new-", delete=False) as file:
            file.write(canonical.encode(measured))
        Path(file.name).replace(folder / f"{name}.json")
        kept = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
        for path in kept[:-MAX_KEPT]:
            path.unlink(missing_ok=True)
