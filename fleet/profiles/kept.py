"""Files of a folder of the user's that hold what was measured: written whole, bounded in number.

What is damaged or of another schema is as if it were not there, and is said in the log.
"""

import contextlib
import tempfile
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import structlog

from wire import bounded, canonical

MAX_KEPT: Final = 500
"""Files; the oldest go."""
MAX_BYTES: Final = 16 << 20
"""Of one file."""

log = structlog.get_logger(__name__)

Kind = TypeVar("Kind", bound=msgspec.Struct)


def read(path: Path, kind: type[Kind], schema: int) -> Kind | None:
    """Return what a file holds; None: there is none, or nothing that can be used."""
    try:
        found: Any = msgspec.json.decode(bounded.read(path, MAX_BYTES), type=kind)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        log.warning("profile.found_damaged", file=str(path), reason=str(error))
        return None
    if found.schema != schema:
        log.warning("profile.found_damaged", file=str(path), reason=f"schema {found.schema}")
        return None
    return found  # type: ignore[no-any-return]  # it is a Kind


def write(folder: Path, name: str, value: msgspec.Struct) -> bool:
    """Write a file; return False where the folder cannot be written: it is forgotten."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".new-", delete=False) as file:
            file.write(canonical.encode(value))
        Path(file.name).replace(folder / name)
    except OSError as error:
        log.warning("profile.not_kept", folder=str(folder), reason=str(error))
        return False
    with contextlib.suppress(OSError):
        found = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
        for path in found[:-MAX_KEPT]:
            path.unlink(missing_ok=True)
    return True
