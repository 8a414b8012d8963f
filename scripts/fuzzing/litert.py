"""Damage TFLite models, scan them, and run what the scan admits with LiteRT, in a child process.

What must hold: the scan raises nothing but its own errors, and what it admits does not end the
process that runs it.
"""

import argparse
import random
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from scripts.fuzzing.litert_operators import invented
from tests.fixtures.tflite_builder import chain, quantised
from wire.model.errors import ModelError
from wire.model.tflite_limits import Limits
from wire.model.tflite_scan import scan_tflite

ZOO = Path.home() / ".cache" / "paceline" / "zoo"
NUMBERS = (0, 1, 2, 3, 5, 8, 127, 128, 255, 32767, 65535, 1 << 20, -1, -2, -128, (1 << 31) - 1)
RAN, REFUSED = "O", "E"
SMALL = Limits(max_tensor_bytes=32 << 20)


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Return a model with one to four bytes, numbers or offsets changed, or cut off."""
    made = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        at = chance.randrange(len(made) - 3)
        word = at & ~3
        match chance.randrange(6):
            case 0:
                made[at] = chance.randrange(256)
            case 1:
                made[at] ^= 1 << chance.randrange(8)
            case 2:
                struct.pack_into("<i", made, word, chance.choice(NUMBERS))
            case 3:
                struct.pack_into("<H", made, at & ~1, chance.choice(NUMBERS) & 0xFFFF)
            case 4:
                other = chance.randrange(len(made) - 3) & ~3
                made[word : word + 4] = made[other : other + 4]
            case 5:
                found = struct.unpack_from("<I", made, word)[0]
                struct.pack_into(
                    "<I", made, word, (found + chance.choice((-4, -1, 1, 4))) % (1 << 32)
                )
    if chance.randrange(50) == 0:
        del made[chance.randrange(len(made)) :]
    return bytes(made)


class Runner:
    """LiteRT in a child process; a new one, when it has ended."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None

    def run(self, data: bytes) -> str:
        """Return ``O``, ``E``, or how the process ended."""
        if self._child is None:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "scripts.fuzzing.litert_child"],
                cwd=Path(__file__).parents[2],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        assert self._child.stdin
        assert self._child.stdout
        self._child.stdin.write(struct.pack("<I", len(data)) + data)
        self._child.stdin.flush()
        answer = self._child.stdout.read(1).decode()
        if answer:
            return answer
        code = self._ended()
        return f"ended with {code}"

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._ended()

    def _ended(self) -> int:
        assert self._child
        self._child.communicate()
        code, self._child = self._child.returncode, None
        return code


class Outcome(NamedTuple):
    """What became of one damaged model."""

    data: bytes
    what: str
    """The error's code, ``O``, ``E``, or how the process ended."""
    scan_seconds: float


def outcomes(data: bytes, numbers: range, litert: Runner) -> Iterator[Outcome]:
    """Damage a model once for each number, and tell what scan and LiteRT make of it.

    What became large is refused, for running it would take seconds and show nothing.
    """
    for number in numbers:
        made = damaged(data, random.Random(number))
        began = time.perf_counter()
        try:
            scan_tflite(made, source="damaged", limits=SMALL)
        except ModelError as error:
            yield Outcome(made, error.code, time.perf_counter() - began)
            continue
        seconds = time.perf_counter() - began
        yield Outcome(made, litert.run(made), seconds)


def _damage(name: str, data: bytes, numbers: range, litert: Runner, kept: Path) -> int:
    """Print what became of a model's damaged ones; return how many ended the process."""
    counted: Counter[str] = Counter()
    slowest = 0.0
    for number, outcome in zip(numbers, outcomes(data, numbers, litert), strict=True):
        counted[outcome.what] += 1
        slowest = max(slowest, outcome.scan_seconds)
        if outcome.what.startswith("ended"):
            (kept / f"{name}-{number}.tflite").write_bytes(outcome.data)
    told = ", ".join(f"{what} {count}" for what, count in counted.most_common())
    print(f"{name:32} {told}; slowest scan {slowest * 1e3:.0f} ms", flush=True)
    return sum(count for what, count in counted.items() if what.startswith("ended"))


def _invent(count: int, first: int, litert: Runner, kept: Path) -> None:
    """Print what became of invented operators."""
    counted: Counter[str] = Counter()
    for number in range(first, first + count):
        name, data = invented(random.Random(number))
        try:
            scan_tflite(data, source="invented", limits=SMALL)
        except ModelError as error:
            counted[error.code] += 1
            continue
        what = litert.run(data)
        if what.startswith("ended"):
            (kept / f"{name}-{number}.tflite").write_bytes(data)
            what = f"{what} by {name}"
        counted[what] += 1
    print("invented operators:", ", ".join(f"{w} {n}" for w, n in counted.most_common()))


def main() -> int:
    """Return 1 if a process ended."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz-litert", description=__doc__)
    parser.add_argument("--models", type=int, default=2000, help="damaged ones, of each model")
    parser.add_argument("--operators", type=int, default=0, help="invented ones; only told")
    parser.add_argument("--first", type=int, default=0, help="number of the first")
    parser.add_argument("--found", type=Path, default=Path.home() / ".cache" / "paceline" / "fuzz")
    given = parser.parse_args()
    seeds = {"chain": chain().data(), "quantised": quantised().data()}
    seeds |= {path.stem: path.read_bytes() for path in sorted(ZOO.glob("*.tflite"))}
    numbers = range(given.first, given.first + given.models)
    given.found.mkdir(parents=True, exist_ok=True)
    with closing(Runner()) as litert:
        broken = sum(
            _damage(name, data, numbers, litert, given.found) for name, data in seeds.items()
        )
        _invent(given.operators, given.first, litert, given.found)
    print(f"{broken} damaged models ended LiteRT's process (kept in {given.found})")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
