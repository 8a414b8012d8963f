"""What the agent needs of the environment that runs this command, by its installed metadata.

Nothing is asked of a registry: what is installed here, and passed its tests here, is what the
device runs. Each file is known by the digest that its wheel gave it.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Final, NamedTuple

from paceline.device.errors import EnvironmentUnusableError

NAME: Final = "paceline"
EXTRAS: Final = frozenset({"cpu", "gpu", "openvino", "coral"})
"""Those that a device uses; the cloud side stays where it is."""
ADVICE: Final = (
    "make a copy that can be installed: /usr/bin/python3 -m venv .venv && .venv/bin/pip install"
    " '.[cpu]'"
)
_HIDDEN: Final = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 none is used
"""What the hardened service cannot see."""
_REQUIREMENT: Final = re.compile(r"([A-Za-z0-9._-]+) *(?:\[([^\]]*)\])?")
_EXTRA: Final = re.compile(r"extra *== *['\"]([^'\"]+)['\"]")
_OF_THIS_PLACE: Final = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"})


class Installed(NamedTuple):
    """One file of a distribution."""

    source: Path
    name: str
    """Relative to the folder of packages."""
    sha256: str | None
    """As its wheel says; None: written when it was installed."""


@dataclass(frozen=True, slots=True)
class Closure:
    """Distributions, complete."""

    versions: dict[str, str]
    files: tuple[Installed, ...]

    def digest(self, python: str) -> str:
        """Return what names this content, run by that version of Python."""
        lines = sorted(f"{file.name} {file.sha256}" for file in self.files if file.sha256)
        return hashlib.sha256("\n".join([python, *lines]).encode()).hexdigest()

    @property
    def size_bytes(self) -> int:
        """What the files take."""
        return sum(file.source.stat().st_size for file in self.files)


def found() -> Closure:
    """Return all that the agent needs, as it is installed here.

    Raises:
        EnvironmentUnusableError: Something is installed in a way that cannot be copied.
    """
    wanted = list(_distributions([(NAME, EXTRAS)]))
    return Closure(
        {_normal(item.name): item.version for item in wanted},
        tuple(file for item in wanted for file in _files(item)),
    )


def check_python(executable: Path) -> None:
    """Check that the service can run this Python.

    Raises:
        EnvironmentUnusableError: It is where the hardened service cannot see it.
    """
    if any(executable.is_relative_to(folder) for folder in _HIDDEN):
        raise EnvironmentUnusableError(
            f"the Python of this environment is {executable}, which the service cannot see: it is"
            f" kept out of home and temporary folders; {ADVICE} (with the system's Python)"
        )


def _distributions(wanted: Iterable[tuple[str, frozenset[str]]]) -> Iterator[Distribution]:
    """Yield distributions and what they require, each once.

    Markers are not evaluated: what is required on this machine is installed, the rest is not.
    """
    waiting = list(wanted)
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, extras = waiting.pop()
        try:
            item = distribution(name)
        except PackageNotFoundError:
            continue
        if (_normal(name), extras) in seen:
            continue
        if _normal(name) not in {known for known, _ in seen}:
            yield item
        seen.add((_normal(name), extras))
        for text in item.requires or ():
            extra = _EXTRA.search(text)
            match = _REQUIREMENT.match(text)
            if match and (extra is None or extra[1] in extras):
                inner = frozenset(e.strip() for e in (match[2] or "").split(",") if e.strip())
                waiting.append((match[1], inner))


def _files(item: Distribution) -> Iterator[Installed]:
    if item.files is None:
        raise EnvironmentUnusableError(
            f"{item.name} {item.version} has no list of its files, so it cannot be copied; {ADVICE}"
        )
    told = json.loads(item.read_text("direct_url.json") or "{}")
    if told.get("dir_info", {}).get("editable"):
        raise EnvironmentUnusableError(
            f"{item.name} is installed in editable mode: its code is in the clone, not in this"
            f" environment; {ADVICE}"
        )
    for file in item.files:
        # programs and manual pages are outside of the packages' folder: none of them is needed
        if file.parts[0] in {"..", "/"} or file.suffix == ".pyc":
            continue
        own = file.name in _OF_THIS_PLACE and file.parent.name.endswith(".dist-info")
        digest = file.hash.value if file.hash and file.hash.mode == "sha256" and not own else None
        yield Installed(Path(str(item.locate_file(file))), str(file), digest)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
