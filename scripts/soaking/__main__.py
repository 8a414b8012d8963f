"""The command: see scripts/soak."""

import argparse
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from scripts.rig.subject import Subject
from scripts.soaking import plan, show
from scripts.soaking.soak import Soak, plain
from wire import link_names
from wire.errors import CodedError

INTERRUPTED = 130


def main() -> int:
    """Soak as the command line says; returns the exit code: 1 when a check failed."""
    options = _options()
    console = Console(stderr=options.json, highlight=False, soft_wrap=not sys.stdout.isatty())
    seed = secrets.randbelow(1_000_000) if options.seed is None else options.seed
    seconds = 60 * (options.minutes if options.minutes is not None else 60 * options.hours)
    if options.outage is not None:
        seconds = 60 * options.outage + 2 * plan.OUTAGE_WARM_UP_SECONDS
    name = time.strftime(f"soak-%Y%m%d-%H%M%S-seed{seed}")
    folder = (options.out or Path(tempfile.gettempdir()) / "paceline-soak") / name
    folder.mkdir(parents=True)
    made = f"{seconds / 60:g} minutes, link {options.link}, seed {seed}"
    console.print(f"[bold]soak[/] {made}; logs in {folder}")
    without = _without(options.only, console)
    faults = (
        plan.faults(seed, without=without)
        if options.outage is None
        else plan.outage(60 * options.outage)
    )
    small_disk = plan.DISK_FULL not in without
    soak = Soak(
        folder, seconds, seed, options.link, faults, small_disk=small_disk, say=console.print
    )
    interrupted = False

    def stop(*_: Any) -> None:
        nonlocal interrupted
        interrupted = True
        soak.stopping.set()

    try:
        subject = Subject(folder, dict(os.environ), plan.BATCH)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        outcome = soak.run(subject)
    except KeyboardInterrupt:
        return INTERRUPTED
    except (CodedError, OSError, RuntimeError, subprocess.CalledProcessError) as error:
        console.print(f"[red]no soak:[/] {escape(f'{type(error).__name__}: {error}')}")
        return 1
    finally:
        shutil.rmtree(folder / "split", ignore_errors=True)
        for device in plan.DEVICES:
            shutil.rmtree(folder / device / "store", ignore_errors=True)
    show.tables(console, outcome.blows, outcome.grown, outcome.checks)
    console.print(f"written, MB a day: {outcome.written_mb_per_day}")
    console.print(f"frames that ended without a result: {outcome.errors}")
    console.print(f"picture: {folder / 'soak.svg'}")
    verdict = "[green]passed[/]" if outcome.passed else "[red]failed[/]"
    console.print(f"{verdict} with seed {seed}" + (", interrupted" if interrupted else ""))
    told = {"seed": seed, "folder": str(folder), "interrupted": interrupted, **plain(outcome)}
    told["faults"] = show.by_kind(outcome.blows)
    (folder / "outcome.json").write_text(json.dumps(told, indent=2) + "\n")
    if options.json:
        print(json.dumps(told))
    return INTERRUPTED if interrupted else int(not outcome.passed)


def _without(only: str | None, console: Console) -> frozenset[str]:
    """Return the kinds of faults that are not done."""
    without = {kind.name for kind in plan.KINDS if only not in {None, kind.name}}
    if os.geteuid() and plan.DISK_FULL not in without:
        console.print(f"[yellow]without[/] {plan.DISK_FULL}: a file system of its own needs root")
        without.add(plan.DISK_FULL)
    return frozenset(without)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/soak",
        description="Run a site of real processes under seeded random faults and judge it.",
        epilog="example:\n  scripts/soak --minutes 5 --link auto --seed 7 --json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--hours", type=float, default=1.0, help="how long; default: 1")
    parser.add_argument("--minutes", type=float, help="how long, instead of --hours")
    parser.add_argument(
        "--outage",
        type=float,
        metavar="MINUTES",
        help="one fault alone: no broker for so long, 5 minutes before it and 5 after",
    )
    parser.add_argument(
        "--link",
        choices=(link_names.DEFAULT, *sorted(link_names.DIRECT)),
        default=link_names.DEFAULT,
        help=f"what carries frames from stage to stage; default: {link_names.DEFAULT}",
    )
    parser.add_argument("--seed", type=int, help="repeats a sequence of faults; else a random one")
    kinds = [*(kind.name for kind in plan.KINDS), "none"]
    parser.add_argument(
        "--only", choices=kinds, metavar="FAULT", help=f"one of: {', '.join(kinds)}"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the logs go; else in /tmp")
    parser.add_argument("--json", action="store_true", help="the outcome as one line of JSON")
    return parser.parse_args()


sys.exit(main())
