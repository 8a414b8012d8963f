"""The unit, its drop-ins and the example configurations: in the wheel, or in the clone."""

import importlib.resources
from importlib.resources.abc import Traversable


def read(*names: str) -> bytes:
    """Return a file's bytes, such as ``read("configs", "x86.yaml")``."""
    return _folder().joinpath(*names).read_bytes()


def names(*folder: str) -> tuple[str, ...]:
    """Return the names in a folder, such as ``names("systemd", "udev")``; none: there is none."""
    found = _folder().joinpath(*folder)
    return tuple(sorted(entry.name for entry in found.iterdir())) if found.is_dir() else ()


def _folder() -> Traversable:
    package = importlib.resources.files("paceline")
    shared = package / "share"
    return shared if shared.is_dir() else package.joinpath("..")
