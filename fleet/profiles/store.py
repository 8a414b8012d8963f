"""Models' profiles that were measured, one file for each question.

<model's sha256, 16 digits>-<question's digest, 32 digits>.json
"""

from pathlib import Path

from fleet.profiles import kept
from fleet.profiles.record import SCHEMA, ModelProfile, Question
from wire import canonical


def recall(folder: Path, question: Question) -> ModelProfile | None:
    """Return what was kept of ``question``; None: nothing, or nothing that can be read."""
    found = kept.read(folder / _name(question), ModelProfile, SCHEMA)
    return found if found is not None and found.question == question else None


def of_model(folder: Path, sha256: str) -> tuple[ModelProfile, ...]:
    """Return all that is kept of a model, the newest first; those of its splits are left out."""
    paths = folder.glob(f"{sha256[:16]}-*.json")
    found = [kept.read(path, ModelProfile, SCHEMA) for path in paths]
    mine = [
        profile
        for profile in found
        if profile and profile.model.sha256 == sha256 and not profile.question.split
    ]
    return tuple(sorted(mine, key=lambda profile: -profile.measured_unix_ns))


def keep(folder: Path, profile: ModelProfile) -> bool:
    """Keep a profile; return False where the folder cannot be written: it is forgotten."""
    return kept.write(folder, _name(profile.question), profile)


def _name(question: Question) -> str:
    return f"{question.model[:16]}-{canonical.digest(question)[:32]}.json"
