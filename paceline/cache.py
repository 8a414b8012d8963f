"""Where this user's cache is: fetched models, and what was measured."""

from collections.abc import Mapping
from pathlib import Path


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Return where fetched files are kept: ``PACELINE_CACHE``, else as XDG says."""
    ours = environment.get("PACELINE_CACHE")
    if ours:
        return Path(ours).expanduser()
    general = Path(environment.get("XDG_CACHE_HOME") or "")
    # the XDG specification: a path that is not absolute is to be ignored
    home = general if general.is_absolute() else Path.home() / ".cache"
    return home / "paceline"


def measured_folder(environment: Mapping[str, str]) -> Path:
    """Return where the cuts that were measured are remembered."""
    return cache_folder(environment) / "measured"


def profiles_folder(environment: Mapping[str, str]) -> Path:
    """Return where the profiles of models and links are kept."""
    return cache_folder(environment) / "profiles"
