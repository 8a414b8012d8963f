"""Fuzz one reader or all of them; see scripts/fuzz."""

import argparse
import subprocess
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["wire", "agent.config", "agent.channel"]):
    from scripts.fuzzing.targets import TARGETS

MAX_INPUT_BYTES = 16 << 10
ONE_INPUT_SECONDS = 10
MEMORY_MB = 1024


def main() -> int:
    """Return 1 if something was found."""
    given = _options()
    if given.again is not None:
        TARGETS[given.target].survive(given.again.read_bytes())
        return 0
    if given.target is not None:
        _fuzz(given.target, given.corpus / given.target, given.seconds)
    broken = [name for name in TARGETS if not _in_child(name, given)]
    print(f"{len(TARGETS) - len(broken)} readers survived, {len(broken)} did not: {broken}")
    return 1 if broken else 0


def _in_child(name: str, given: argparse.Namespace) -> bool:
    """Fuzz in a process of its own, since libFuzzer ends the one it runs in."""
    command = [sys.executable, "-m", "scripts.fuzzing", name, "--corpus", str(given.corpus)]
    command += ["--seconds", str(given.seconds)]
    ended = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    last = [line for line in ended.stderr.splitlines() if line.startswith(("#", "Done"))][-1:]
    print(
        f"{name:10} {'survived' if ended.returncode == 0 else 'FOUND'}  {' '.join(last)}",
        flush=True,
    )
    if ended.returncode:
        print("\n".join(ended.stderr.splitlines()[-40:]))
    return ended.returncode == 0


def _fuzz(name: str, folder: Path, seconds: int) -> None:
    target = TARGETS[name]
    seeds, grown = folder / "seeds", folder / "grown"
    for place in (seeds, grown):
        place.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds()):
        (seeds / f"{number:03}").write_bytes(seed)
    arguments = [
        f"-max_total_time={seconds}",
        f"-max_len={MAX_INPUT_BYTES}",
        f"-timeout={ONE_INPUT_SECONDS}",
        f"-rss_limit_mb={MEMORY_MB}",
        f"-artifact_prefix={folder}/found-",
    ]
    atheris.Setup([sys.argv[0], *arguments, str(grown), str(seeds)], target.survive)
    atheris.Fuzz()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument("target", nargs="?", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--corpus", type=Path, default=Path.home() / ".cache" / "paceline" / "fuzz")
    parser.add_argument(
        "--again", type=Path, metavar="FILE", help="only this input, outside the fuzzer"
    )
    given = parser.parse_args()
    if given.again is not None and given.target is None:
        parser.error("--again needs a target")
    return given


if __name__ == "__main__":
    sys.exit(main())
