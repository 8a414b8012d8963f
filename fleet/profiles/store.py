"""Profiles that were measured, in a folder of the user's: one file for each question.

    <model's sha256, 16 digits>-<question's digest, 32 digits>.json

What is damaged or of another schema is as if it were not there, and is said in the log.
"""

import contextlib
import hashlib
import tempfile
from pathlib import Path
from typing import Final

import msgspec
import structlog

from fleet.profiles.record import SCHEMA, ModelProfile, Question
from wire import bounded, canonical

MAX_KEPT: Final = 500
"""Files; the oldest go."""
MAX_BYTES: Final = 16 << 20
"""Of one file."""

log = structlog.get_logger(__name__)


def recall(folder: Path, question: Question) -> ModelProfile | None:
    """Return what was kept of ``question``; None: nothing, or nothing that can be read."""
    found = _read(folder / _name(question))
    return found if found is not None and found.question == question else None


def of_model(folder: Path, sha256: str) -> tuple[ModelProfile, ...]:
    """Return all that is kept of a model, the newest of each device first."""
    found = [_read(path) for path in folder.glob(f"{sha256[:16]}-*.json")]
    mine = [profile for profile in found if profile and profile.model.sha256 == sha256]
    return tuple(sorted(mine, key=lambda profile: -profile.measured_unix_ns))


def keep(folder: Path, profile: ModelProfile) -> bool:
    """Keep a profile; return False where the folder cannot be written: it is forgotten."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".new-", delete=False) as file:
            file.write(canonical.encode(profile))
        Path(file.name).replace(folder / _name(profile.question))
    except OSError as error:
        log.warning("profile.not_kept", folder=str(folder), reason=str(error))
        return False
    with contextlib.suppress(OSError):
        kept = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
        for path in kept[:-MAX_KEPT]:
            path.unlink(missing_ok=True)
    return True


def _name(question: Question) -> str:
    digest = hashlib.sha256(canonical.encode(question)).hexdigest()
    return f"{question.model[:16]}-{digest[:32]}.json"


def _read(path: Path) -> ModelProfile | None:
    try:
        data = bounded.read(path, MAX_BYTES)
        found = msgspec.json.decode(data, type=ModelProfile)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        log.warning("profile.found_damaged", file=str(path), reason=str(error))
        return None
    if found.schema != SCHEMA:
        log.warning("profile.found_damaged", file=str(path), reason=f"schema {found.schema}")
        return None
    return found
