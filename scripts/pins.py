"""Write the versions that uv.lock holds into pyproject.toml as constraints; see scripts/lock."""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONFLICTING = {"onnxruntime-gpu", "onnxruntime-openvino", "paceline"}


def pinned() -> list[str]:
    """Return ``name==version`` of every package in uv.lock that the default set installs."""
    packages = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    versions: dict[str, set[str]] = {}
    for package in packages:
        if package["name"] not in CONFLICTING:
            versions.setdefault(package["name"], set()).add(package["version"])
    # a name with two versions depends on the Python: uv chooses, a constraint could not
    return sorted(f"{name}=={found.pop()}" for name, found in versions.items() if len(found) == 1)


def main() -> None:
    """Rewrite the list between its brackets."""
    pins = [] if "--clear" in sys.argv else pinned()
    rows = "".join(f'  "{pin}",\n' for pin in pins)
    path = ROOT / "pyproject.toml"
    text, found = re.subn(
        r"constraint-dependencies = \[\n.*?\]",
        f"constraint-dependencies = [\n{rows}]",
        path.read_text(),
        flags=re.DOTALL,
    )
    if found != 1:
        sys.exit("pyproject.toml has no constraint-dependencies")
    path.write_text(text)


main()
