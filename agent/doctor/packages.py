"""Installed packages: who owns an import name, and whether versions fit.

Two distributions that own one import name overwrite each other's files: what is imported then is
a mixture that fails much later.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence, Set
from importlib import metadata, util
from pathlib import Path
from typing import Final

from agent.doctor import Group, note, ok, problem, warning
from agent.examination import requirement
from agent.examination.subject import Subject
from wire.reports import Finding

OURS: Final = "paceline"
ROOMS: Final = ("agent", "fleet", "paceline", "wire")
_RUNTIME: Final = "onnxruntime"
_CORAL: Final = "pycoral"
_ATLAS: Final = "Allen Coral Atlas"
"""What the other pycoral says that it is for: maps of coral reefs."""
_PIP: Final = f"{sys.executable} -m pip"


def findings(subject: Subject) -> Iterator[Finding]:
    """Yield what is installed twice, wrongly or in another version."""
    installed = list(subject.distributions())
    owned = {name_of(d): top_levels(d) for d in installed}
    yield from runtime_owners([name for name, tops in owned.items() if _RUNTIME in tops])
    yield from coral([d for d in installed if name_of(d).lower() == _CORAL])
    yield from rooms(owned)
    yield from shadows(subject)
    yield from versions(installed)


def runtime_owners(owners: Sequence[str]) -> Iterator[Finding]:
    """Yield whether one distribution alone owns ``onnxruntime``."""
    if len(owners) == 1:
        yield ok("packages.onnxruntime", f"{owners[0]} alone owns the import name {_RUNTIME}")
    elif owners:
        names = sorted(owners, key=len)
        # the longer name is the one that somebody asked for: a GPU's or OpenVINO's
        kept = names[-1]
        yield problem(
            "packages.onnxruntime",
            f"{' and '.join(names)} both own the import name {_RUNTIME}: their files are mixed",
            f"{_PIP} uninstall -y {' '.join(names)} && {_PIP} install {kept}",
        )


def coral(found: Sequence[metadata.Distribution]) -> Iterator[Finding]:
    """Yield whether ``pycoral`` is Google's library for the Coral, where it is installed."""
    for distribution in found:
        summary = distribution.metadata["Summary"] or "without a summary"
        said = f"pycoral {distribution.version} ({summary})"
        files = [file.as_posix() for file in distribution.files or ()]
        # a distribution's own packages may list no files
        if _ATLAS not in summary and (not files or "pycoral/utils/edgetpu.py" in files):
            yield ok("packages.pycoral", said)
        else:
            yield problem(
                "packages.pycoral",
                f"{said} is not Google's library for the Coral Edge TPU but another program",
                f"{_PIP} uninstall -y pycoral && {_PIP} install 'paceline[coral]'",
            )


def rooms(owned: Mapping[str, Set[str]]) -> Iterator[Finding]:
    """Yield whether our top-level names are ours, and imported from our installation."""
    others = {
        (room, name)
        for name, tops in owned.items()
        for room in ROOMS
        if name.lower() != OURS and room in tops
    }
    for room, name in sorted(others):
        yield problem(
            "packages.names",
            f"{name} also owns our import name {room}",
            f"{_PIP} uninstall -y {name} && {_PIP} install --force-reinstall --no-deps {OURS};"
            " or give paceline a virtual environment of its own",
        )
    folders = {room: folder for room in ROOMS if (folder := _folder(room)) is not None}
    places = {folder.parent for folder in folders.values()}
    if len(places) > 1:
        yield problem(
            "packages.names",
            f"our packages come from several places: {', '.join(map(str, folders.values()))}",
            f"{_PIP} install --force-reinstall --no-deps {OURS}",
        )
    elif not others:
        yield ok("packages.names", f"{', '.join(folders)} are ours, in {next(iter(places), '?')}")


def shadows(subject: Subject) -> Iterator[Finding]:
    """Yield what Python would take for ours because of PYTHONPATH or the folder we are in."""
    listed = [p for p in subject.environ.get("PYTHONPATH", "").split(":") if p]
    for place, is_listed in [*((Path(p), True) for p in listed), (subject.folder, False)]:
        for room in ROOMS:
            found = _module_in(place, room)
            if found is None or _is_ours(found, room):
                continue
            if is_listed:
                yield problem(
                    "packages.shadowed",
                    f"{found} hides our package {room}: PYTHONPATH holds {place}",
                    f"take {place} out of PYTHONPATH, or rename {found.name}",
                )
            else:
                yield warning(
                    "packages.shadowed",
                    f"{found} hides our package {room} from `python -m {room}` in this folder",
                    f"call paceline from another folder, or rename {found.name}",
                )


def versions(installed: Sequence[metadata.Distribution]) -> Iterator[Finding]:
    """Yield whether what is installed is within the ranges that we ask for."""
    by_name = {requirement.normal(name_of(d)): d for d in installed}
    ours = by_name.get(OURS)
    if ours is None:
        yield note("packages.versions", "paceline is not installed: it runs from its sources")
        return
    wrong = 0
    asked = [requirement.parsed(text) for text in ours.requires or ()]
    for wanted in asked:
        found = by_name.get(wanted.name)
        if found is None and wanted.extra is None:
            wrong += 1
            yield problem(
                "packages.versions",
                f"{wanted.name} is missing",
                f"{_PIP} install '{wanted.name}{wanted.range}'",
            )
        elif found is not None and not wanted.takes(found.version):
            wrong += 1
            said = f"{wanted.name} {found.version} is installed, we ask for {wanted.range}"
            fix = f"{_PIP} install '{wanted.name}{wanted.range}'"
            if wanted.extra is None:
                yield problem("packages.versions", said, fix)
            else:
                yield warning("packages.versions", f"{said} ([{wanted.extra}])", fix)
    if not wrong:
        needed = sum(wanted.extra is None for wanted in asked)
        yield ok("packages.versions", f"paceline {ours.version}; {needed} packages fit")


def name_of(found: metadata.Distribution) -> str:
    """Return a distribution's name."""
    return str(found.metadata["Name"])


def top_levels(found: metadata.Distribution) -> Set[str]:
    """Return the names of the modules and packages that a distribution brings."""
    listed = (found.read_text("top_level.txt") or "").split()
    files = (line.partition(",")[0] for line in (found.read_text("RECORD") or "").splitlines())
    tops = (path.partition("/")[0] for path in files if path.endswith(".py") or "/" in path)
    return {*listed, *(top.removesuffix(".py") for top in tops)}


def _module_in(place: Path, name: str) -> Path | None:
    """Return what ``import name`` would take from ``place``."""
    for candidate in (place / name / "__init__.py", place / f"{name}.py"):
        if candidate.is_file():
            return candidate.parent if candidate.name == "__init__.py" else candidate
    return None


def _is_ours(found: Path, room: str) -> bool:
    folder = _folder(room)
    return folder is not None and folder.resolve() == found.resolve()


def _folder(room: str) -> Path | None:
    """Return where a room is imported from, without importing it."""
    spec = util.find_spec(room)
    return Path(spec.origin).parent if spec is not None and spec.origin else None


PLUGIN = Group("Packages", findings)
