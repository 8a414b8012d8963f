"""Splitters beside each other: seconds, peak memory, and what each cannot do.

    uv run python benchmarks/splitters.py [--markdown] [--only NAME] [--rounds 3]

Each run is a process of its own; its memory is that of its whole tree, mapped pages included (see
scripts/zoo/process_tree.py). Rounds go over all tools in turn, so that a busy minute of the machine
hits all alike. The foreign tools get an environment of their own, and the names of the tensors to
cut at, which ours found. Models and environment lie in a temporary folder and are removed.
"""

import argparse
import json
import re
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "scripts" / "zoo"))  # scripts are no package

from process_tree import Measured, measured  # noqa: E402

ZOO = Path.home() / ".cache" / "paceline" / "zoo"
PACELINE = str(Path(sys.executable).with_name("paceline"))
FOREIGN = ("onnx.utils.extract_model", "onnx-ir", "onnx-graphsurgeon")
PACKAGES = ("onnx==1.23.2", "onnx-ir==1.1.0", "onnx-graphsurgeon==0.6.1")
OURS = (
    "paceline split --stages 3 --remeasure",
    "paceline split --stages 3",
    "paceline split --at ...",
)
"""Measured cuts are remembered: the second finds what the first has measured."""
MEASURED = (
    "PP-OCRv6_det",
    "200 MB",
    "1 GB, external data",
    "10,000 nodes",
    "3 GB, external data (sparse file)",
)
TRIED = ("weight and tensor shared", "captures of an If", "shapes not inferable", "functions")
LIMIT_SECONDS = 600.0
LIMIT_BYTES = 8e9
"""More is no good for whoever shares the machine."""
SAID_CHARACTERS = 160


@dataclass(frozen=True, slots=True)
class Subject:
    """A model on disk, and where to cut it."""

    path: Path
    sizes: dict[str, int]
    cuts: list[list[str]] = field(default_factory=list)
    bounds: list[tuple[list[str], list[str]]] = field(default_factory=list)
    """Inputs and outputs of each segment."""


@dataclass(slots=True)
class Result:
    """All runs of one tool with one model."""

    runs: list[Measured] = field(default_factory=list)
    verdict: str = ""
    """``right``, or what went wrong."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--markdown", action="store_true", help="tables as in docs/benchmarks.md")
    parser.add_argument("--only", default="", help="only models whose name contains this")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was made is removed
    with tempfile.TemporaryDirectory(prefix="splitters-") as name:
        work = Path(name)
        python = _environment(work)
        table = [
            ("model", "tool", "seconds", "least", "CPU seconds", "peak MB", "least", "segments")
        ]
        for model in (name for name in MEASURED if given.only in name):
            table += _measure(model, work, python, given.rounds)
        abilities = [("", "paceline split", *FOREIGN)]
        abilities += [_try(model, work, python) for model in TRIED if given.only in model]
    for rows in (table, abilities):
        _print(rows, markdown=given.markdown)


def _measure(model: str, work: Path, python: Path, rounds: int) -> Iterator[tuple[str, ...]]:
    """Yield the table's rows for one model."""
    with tempfile.TemporaryDirectory(dir=work) as name:
        subject = _subject(model, Path(name), ["--stages", "3"])
        if subject is None:
            return
        results = {tool: Result() for tool in (*OURS, *FOREIGN)}
        for turn in range(rounds):
            for tool, result in results.items():
                if result.verdict in ("", "right"):
                    out = Path(name, "out")
                    _run(tool, subject, out, python, result, compare=turn == 0)
                    print(f"{model}: {tool}: {_last(result)}", file=sys.stderr, flush=True)
    for tool, result in results.items():
        yield (model, tool, *_figures(result), result.verdict)
        model = ""


def _try(model: str, work: Path, python: Path) -> tuple[str, ...]:
    """Return the row of abilities for one small model."""
    with tempfile.TemporaryDirectory(dir=work) as name:
        subject = _subject(model, Path(name), ["--at", "cut"])
        if subject is None:
            return (model,)
        results = []
        for tool in (OURS[-1], *FOREIGN):
            results.append(Result())
            _run(tool, subject, Path(name, "out"), python, results[-1], compare=True)
        return (model, *(result.verdict for result in results))


def _subject(model: str, folder: Path, how: Sequence[str]) -> Subject | None:
    """Make the model and let ours find the cuts; None where it cannot be had."""
    path, sizes = folder / "model.onnx", {}
    if model == "PP-OCRv6_det":
        path = ZOO / "PP-OCRv6_det_small.onnx"
        sizes = {"DynamicDimension.0": 1, "DynamicDimension.1": 320, "DynamicDimension.2": 320}
        if not path.is_file():
            print(f"{path} is not there: scripts/fetch-zoo brings it", file=sys.stderr)
            return None
    else:
        maker = [sys.executable, str(HERE / "splitters_models.py"), model, str(path)]
        subprocess.run(maker, check=True)
    subject, out = Subject(path, sizes), folder / "found"
    ran = measured([*_split(subject, out), *how], LIMIT_SECONDS)
    if ran.status:
        print(f"{model}: paceline cannot cut it: {ran.stderr}", file=sys.stderr)
        return None
    manifest = json.loads((out / "pipeline.json").read_text())
    for segment in manifest["segments"]:
        sides = ([spec["name"] for spec in segment[side]] for side in ("inputs", "outputs"))
        subject.bounds.append((next(sides), next(sides)))
    subject.cuts.extend(json.loads(ran.stdout)["cuts"])
    rmtree(out)
    return subject


def _run(
    tool: str, subject: Subject, out: Path, python: Path, result: Result, *, compare: bool
) -> None:
    if tool in FOREIGN:
        child = [str(python), str(HERE / "splitters_child.py"), tool, str(subject.path), str(out)]
        command = [*child, json.dumps(subject.bounds)]
    else:
        at = ",".join("+".join(names) for names in subject.cuts)
        command = [
            *_split(subject, out),
            *(tool.split()[2:] if "stages" in tool else ["--at", at]),
        ]
    ran = measured(command, LIMIT_SECONDS, LIMIT_BYTES)
    if ran.status:
        result.verdict = f"fails: {ran.stopped or _last_line(ran)}"
    else:
        result.runs.append(ran)
        if compare:
            sizes = [f"{name}={size}" for name, size in subject.sizes.items()]
            checker = [sys.executable, str(HERE / "splitters_compare.py"), str(subject.path)]
            result.verdict = _last_line(measured([*checker, str(out), *sizes], LIMIT_SECONDS))
    rmtree(out, ignore_errors=True)


def _split(subject: Subject, out: Path) -> list[str]:
    command = [PACELINE, "split", str(subject.path), "--out", str(out), "--json"]
    for name, size in subject.sizes.items():
        command += ["--dim", f"{name}={size}"]
    return command


def _environment(work: Path) -> Path:
    """Make the foreign tools' environment and return its Python."""
    subprocess.run(["uv", "venv", "--quiet", str(work / "venv")], check=True)
    python = work / "venv" / "bin" / "python"
    install = ["uv", "pip", "install", "--quiet", "--python", str(python), *PACKAGES]
    subprocess.run(install, check=True)
    return python


def _figures(result: Result) -> tuple[str, ...]:
    if not result.runs:
        return ("", "", "", "", "")
    seconds = [run.seconds for run in result.runs]
    cpu_seconds = [run.cpu_seconds for run in result.runs]
    peaks = [run.peak_bytes / 1e6 for run in result.runs]
    return (
        f"{statistics.median(seconds):.1f}",
        f"{min(seconds):.1f}",
        f"{statistics.median(cpu_seconds):.1f}",
        f"{statistics.median(peaks):.0f}",
        f"{min(peaks):.0f}",
    )


def _last(result: Result) -> str:
    if not result.runs:
        return result.verdict
    run = result.runs[-1]
    figures = f"{run.seconds:.1f} s, {run.cpu_seconds:.1f} CPU s, {run.peak_bytes / 1e6:.0f} MB"
    return f"{figures}, {result.verdict}"


def _last_line(ran: Measured) -> str:
    lines = [*ran.stderr.splitlines(), *ran.stdout.splitlines()]
    # whatever lies in our temporary folder has another name next time
    said = re.sub(r"\S*/splitters-\S*/", "", lines[-1]) if lines else f"exit {ran.status}"
    return said if len(said) <= SAID_CHARACTERS else f"{said[:SAID_CHARACTERS]}..."


def _print(rows: Sequence[Sequence[str]], *, markdown: bool) -> None:
    if markdown:
        lines = [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]
        lines.insert(1, "|" + "---|" * len(rows[0]))
    else:
        widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=False)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    print("\n".join(lines), end="\n\n")


main()
