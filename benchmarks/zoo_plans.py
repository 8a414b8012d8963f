"""`paceline plan` on every ONNX model of the zoo, with profiles that are measured here.

    scripts/fetch-zoo
    uv run python benchmarks/zoo_plans.py [--folder ~/.cache/paceline/zoo] [--seconds 5]
        [--measure] [--only NAME] [--markdown docs/tables/zoo-plans.md]

The fleet is this machine and two others that are described by it, 0.8 and 0.6 times as fast, on
wires of 940 Mbit/s with 0.3 ms; frames come from this machine, and answers go back to it. All is
done as a user would: `paceline profile --offline`, then `paceline plan --offline` for both goals. A
model that cannot be planned is listed with the error, and the exit code is 1.
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
MODELS = ROOT / "scripts" / "zoo" / "models.json"
DEFAULT_FOLDER = Path(os.environ.get("PACELINE_CACHE") or "~/.cache/paceline").expanduser() / "zoo"
GOALS = ("throughput", "latency")
FLEET = """\
devices:
  {here}: {{memory: 2GiB}}
  second: {{speed: {{like: {here}, times: 0.8}}, memory: 2GiB}}
  third: {{speed: {{like: {here}, times: 0.6}}, memory: 2GiB}}
links:
  {here}<>second: 940Mbit,0.3ms
  {here}<>third: 940Mbit,0.3ms
  second<>third: 940Mbit,0.3ms
source: {here}
sink: {here}
"""
INTRODUCTION = """# Plans of the zoo's models

Made on {today} by `python benchmarks/zoo_plans.py{options}` on {cores} cores, Python {python}.

Each model's profile is measured on this machine; the fleet is this machine and two that are described by it, 0.8 and 0.6 times as
fast, on wires of 940 Mbit/s with 0.3 ms, frames and answers at this machine. *Single*: the best device alone. *Replicas*: the whole
model on several devices. *Split*: the best of two stages or more, by {judged}. Planning is elapsed time, without reading the
model. Others may have used the machine: the profile's `busy` says which part of its cores.

"""  # noqa: E501


class FailedError(Exception):
    """A command ended with an error."""


class Row(NamedTuple):
    """What came of a model for a goal."""

    model: str
    blocks: int
    cut_space: str
    verdict: str
    single: str
    replicas: str
    split: str
    stages: str
    planning: str


def paceline(*arguments: str, environment: dict[str, str]) -> dict[str, Any]:
    """Run a command and return what it printed.

    Raises:
        FailedError: With its sentence.
    """
    made = subprocess.run(
        [sys.executable, "-m", "paceline.cli", *arguments, "--json"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode not in (0, 4):
        raise FailedError(made.stderr.strip().splitlines()[-1] if made.stderr else "no answer")
    found: dict[str, Any] = json.loads(made.stdout)
    return found


def main() -> int:
    """Plan all models; return the exit code."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--folder", type=Path, default=DEFAULT_FOLDER)
    options.add_argument("--seconds", type=float, default=5.0)
    options.add_argument("--measure", action="store_true")
    options.add_argument("--only", default="")
    options.add_argument("--markdown", type=Path)
    given = options.parse_args()
    rows: dict[str, list[Row]] = {goal: [] for goal in GOALS}
    profiles, failures = [], []
    for model in json.loads(MODELS.read_text()):
        name = model["file"]
        file = given.folder / name
        if not name.endswith(".onnx") or given.only not in name or not file.exists():
            continue
        dims = [f"--dim={key}={size}" for key, size in model.get("dims", {}).items()]
        with tempfile.TemporaryDirectory(prefix="paceline-zoo-plans-") as scratch:
            try:
                profile, found = _planned(file, dims, given, Path(scratch))
            except FailedError as error:
                failures.append((name, str(error)))
                print(f"{name}: {error}", flush=True)
                continue
        profiles.append(profile)
        for goal, plan in found.items():
            rows[goal].append(_row(name, goal, plan))
            print(goal, *rows[goal][-1], sep=" | ", flush=True)
    if given.markdown:
        given.markdown.write_text("".join(_text(given, rows, profiles, failures)))
    return 1 if failures or not profiles else 0


def _planned(
    file: Path, dims: Sequence[str], given: argparse.Namespace, scratch: Path
) -> tuple[tuple[str, ...], dict[str, dict[str, Any]]]:
    """Return a line of what was measured, and the plan for each goal."""
    environment = {"PACELINE_CACHE": str(scratch), "PACELINE_BROKER_URL": "mqtt://127.0.0.1:1"}
    seconds = f"--seconds={given.seconds}"
    measured = paceline("profile", str(file), "--offline", seconds, *dims, environment=environment)
    (profile,) = measured["profiles"]
    (scratch / "fleet.yaml").write_text(FLEET.format(here=profile["device"]))
    fleet = f"--fleet={scratch / 'fleet.yaml'}"
    found = {
        goal: paceline(
            *("plan", str(file), "--offline", fleet, f"--goal={goal}", *dims, seconds),
            *(["--measure"] if given.measure else []),
            environment=environment,
        )
        for goal in GOALS
    }
    report = profile["parts"][0]["report"]
    line = (
        file.name,
        str(len(profile["operators"])),
        f"{profile['run_seconds'] * 1e3:.2f}",
        f"{profile['operator_seconds'] / profile['run_seconds']:.2f}",
        f"{report['load']['others_busy_ratio']:.0%}",
        "yes" if report["settled"] else "no",
    )
    return line, found


def _row(name: str, goal: str, plan: dict[str, Any]) -> Row:
    def worth(kind: str) -> str:
        one = plan[kind]
        if one is None:
            return "-"
        if goal == "throughput":
            return f"{one['throughput_per_second']:.4g} /s"
        return f"{one['latency_seconds'] * 1e3:.3g} ms"

    split = plan["split"]
    return Row(
        name,
        len(plan["blocks"]),
        plan["cut_space"],
        plan["verdict"],
        worth("single"),
        worth("replicas") if goal == "throughput" else "-",
        worth("split"),
        str(len(split["groups"])) if split else "-",
        f"{plan['planning_seconds'] * 1e3:.0f} ms",
    )


def _text(
    given: argparse.Namespace,
    rows: dict[str, list[Row]],
    profiles: Sequence[tuple[str, ...]],
    failures: Sequence[tuple[str, str]],
) -> Iterator[str]:
    options = f" --seconds {given.seconds:g}{' --measure' if given.measure else ''}"
    yield INTRODUCTION.format(
        today=datetime.datetime.now(tz=datetime.UTC).date(),
        options=f"{options} --markdown docs/tables/{given.markdown.name}",
        cores=os.cpu_count(),
        python=platform.python_version(),
        judged="what its segments took" if given.measure else "sums of operators",
    )
    yield _table(("model", "operators", "one run, ms", "operators one by one, by the run", "busy",
                  "settled"), profiles)  # fmt: skip
    for goal in GOALS:
        yield f"\n## {goal}\n\n"
        titles = ("model", "blocks", "cuts", "verdict", "single", "replicas", "split", "stages")
        yield _table((*titles, "planning"), rows[goal])
    if failures:
        yield "\n## Not planned\n\n"
        yield _table(("model", "why"), failures)


def _table(titles: Sequence[str], lines: Sequence[Sequence[object]]) -> str:
    every = [titles, ["---"] * len(titles), *lines]
    return "".join(f"| {' | '.join(str(cell) for cell in line)} |\n" for line in every)


if __name__ == "__main__":
    sys.exit(main())
