"""Split models with the command line, check the segments, and print a table.

Shared by scripts/zoo-check and scripts/torch-check. Only documented options are used, so that it
tells whether a rewritten splitter still does what the one before did.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from process_tree import Measured, measured

PACELINE = str(Path(sys.executable).with_name("paceline"))
REFUSALS = {3: "refused", 4: "infeasible"}
"""Exit codes of a model that is refused by name; see docs/command-line.md."""
TITLES = ("model", "K", "seconds", "peak MB", "tensors", "KB across cuts", "weights MB", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A model, and what is expected of a split of it."""

    model: Path
    dims: Mapping[str, int] = field(default_factory=dict)
    """Sizes for the split's reference run, by name or as ``input[axis]``."""
    other_dims: Mapping[str, int] = field(default_factory=dict)
    """Sizes that the segments are tried with too: what was dynamic must have stayed so."""
    may_refuse: bool = False
    """Whether a refusal by name is as good as a right cut."""
    half: bool = False
    """Float16 may cross a cut: within tolerance will do, see `paceline verify`."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    case: Case
    stages: int
    split: Measured
    result: str
    holds: bool
    cuts: Sequence[Sequence[str]] = ()
    cut_bytes: Sequence[int] = ()
    weight_bytes: Sequence[int] = ()

    def cells(self) -> tuple[str, ...]:
        """Return the line's cells, as ``TITLES`` names them."""
        tensors = "+".join(str(len(names)) for names in self.cuts)
        kilobytes = "+".join(f"{size / 1000:.1f}" for size in self.cut_bytes)
        return (
            self.case.model.name,
            str(self.stages),
            f"{self.split.seconds:.1f}",
            f"{self.split.peak_bytes / 1e6:.0f}",
            tensors,
            kilobytes,
            "+".join(f"{size / 1e6:.1f}" for size in self.weight_bytes),
            self.result if self.holds else f"FAILS: {self.result}",
        )


def options(description: str) -> argparse.ArgumentParser:
    """Return a parser of what both checks take."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("folder", type=Path, nargs="?", help="where the models are")
    parser.add_argument("--chain", type=Path, help="a program that compares; else paceline verify")
    parser.add_argument("--stages", default="2,3,5", help="numbers of segments (2,3,5)")
    parser.add_argument("--only", default="", help="only models whose name contains this")
    return parser


def run(cases: Iterable[Case], given: argparse.Namespace) -> None:
    """Check all cases, print the table and exit: 1 when anything does not hold."""
    rows = []
    for case in cases:
        if given.only not in case.model.name:
            continue
        if not case.model.is_file():
            print(f"skipped: {case.model} is not there")
            continue
        for stages in map(int, given.stages.split(",")):
            rows.append(check(case, stages, given.chain))
            print(f"{'  '.join(rows[-1].cells())}", file=sys.stderr)
    _print_table([TITLES, *(row.cells() for row in rows)])
    failed = sum(not row.holds for row in rows)
    print(f"{len(rows) - failed} passed, {failed} failed")
    sys.exit(bool(failed) or not rows)


def check(case: Case, stages: int, chain: Path | None) -> Row:
    """Split one model and compare its segments with it."""
    with tempfile.TemporaryDirectory(prefix="split-check-") as scratch:
        out = Path(scratch, "cut")
        command = [PACELINE, "split", str(case.model), "--out", str(out), "--json"]
        command += ["--stages", str(stages)]
        for name, size in case.dims.items():
            command += ["--dim", f"{name}={size}"]
        split = measured(command)
        said = _json(split.stdout)
        if split.status:
            named = split.status in REFUSALS and "error" in said
            return Row(case, stages, split, _failure(split, said), named and case.may_refuse)
        result, holds = _compared(case, out, chain)
        segments = len([path for path in (out / "segments").iterdir() if path.is_dir()])
        if segments != stages:
            result, holds = f"{segments} segments instead of {stages}", False
        cuts, cut_bytes = said.get("cuts") or (), said.get("cut_bytes") or ()
        weights = [segment.get("weight_bytes", 0) for segment in said.get("segments") or ()]
        return Row(case, stages, split, result, holds, cuts, cut_bytes, weights)


def _failure(split: Measured, said: Mapping[str, Any]) -> str:
    if split.stopped:
        return f"stopped after {split.seconds:.0f} s: {split.stopped}"
    error = said.get("error") or {"code": f"exit {split.status}", "message": split.stderr[-300:]}
    how = REFUSALS.get(split.status, f"exit {split.status}")
    return f"{how} {error['code']}: {error['message']}"


def _compared(case: Case, out: Path, chain: Path | None) -> tuple[str, bool]:
    """Return how the segments compare with the model, and whether that will do."""
    # the chain check knows ONNX alone, and dimensions by their names alone
    onnx = case.model.suffix == ".onnx"
    if chain and onnx and not any("[" in name for name in case.dims):
        problem = None
        for dims in [case.dims, *([case.other_dims] if case.other_dims else [])]:
            problem = problem or _chain_problem(case.model, out, chain, dims)
        if problem is None:
            return "bit-equal", True
        if not case.half:
            return problem, False
    ran = measured([PACELINE, "verify", str(out), "--model", str(case.model), "--json"])
    said = _json(ran.stdout)
    if ran.status:
        return f"verify: {said.get('error', {}).get('message') or _last_line(ran)}", False
    if said.get("bit_equal"):
        return "bit-equal", True
    return f"within tolerance, off by up to {said.get('max_abs_diff', 0):.2g}", case.half


def _chain_problem(model: Path, out: Path, chain: Path, dims: Mapping[str, int]) -> str | None:
    sizes = [f"{name}={size}" for name, size in dims.items()]
    ran = measured([sys.executable, str(chain), str(model), str(out), *sizes])
    return f"chain {' '.join(sizes)}: {_last_line(ran)}" if ran.status else None


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _last_line(ran: Measured) -> str:
    lines = [*ran.stdout.splitlines(), *ran.stderr.splitlines()]
    return lines[-1][-400:] if lines else f"exit {ran.status}, nothing said"


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(TITLES) - 1)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        print("  ".join([*cells, row[-1]]).rstrip())
