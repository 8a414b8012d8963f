"""An agent of arm64 in a pipeline with one of x86: see scripts/arm64-test."""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml
from rich.console import Console
from rich.markup import escape

from paceline.demo.broker import Broker
from paceline.demo.processes import Child
from scripts.arm64 import emulation, root
from scripts.rig.subject import Subject, inputs
from tests.system.place import Place, until
from wire.errors import CodedError

SLOW_SECONDS: Final = 600.0
"""Emulation is slow, and slower when somebody else works here."""
PYTHON: Final = f"{root.HOME}/venv/bin/python"
REPOSITORY: Final = Path(__file__).parents[2]


class Steps:
    """Says what was done, how long it took and what it showed."""

    def __init__(self, console: Console) -> None:
        self.done: list[dict[str, Any]] = []
        self._console = console

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[list[str]]:
        """Time one step; what is put into the list is what it showed."""
        began, shown = time.monotonic(), list[str]()
        passed = False
        try:
            yield shown
            passed = True
        finally:
            seconds = time.monotonic() - began
            self.done.append({"step": name, "seconds": round(seconds, 1), "passed": passed})
            self.done[-1]["shown"] = text = "; ".join(shown)
            mark = "[green]✓[/]" if passed else "[red]✗[/]"
            line = f"{escape(f'{name:<26}')} {seconds:6.1f} s  [dim]{escape(text)}[/]"
            self._console.print(mark, line)


def main() -> int:
    """Run every step; returns the exit code: 1 when one of them failed."""
    options = _options()
    console = Console(stderr=options.json, highlight=False, soft_wrap=True)
    steps = Steps(console)
    failure = None
    try:
        with tempfile.TemporaryDirectory(prefix="paceline-arm64-") as scratch:
            _run(Path(scratch), options, steps)
    except (emulation.NoEmulationError, root.RootFailedError) as error:
        failure = str(error)
    except (AssertionError, CodedError, OSError, subprocess.CalledProcessError) as error:
        failure = f"{type(error).__name__}: {error}"
    except KeyboardInterrupt:
        console.print("interrupted; everything that was started has ended")
        return 130
    seconds = sum(step["seconds"] for step in steps.done)
    if failure:
        console.print(f"[red]failed:[/] {escape(failure)}")
    else:
        console.print(f"[green]all good[/] in {seconds:.0f} s")
    if options.json:
        print(json.dumps({"passed": not failure, "failure": failure, "steps": steps.done}))
    return 1 if failure else 0


def _run(scratch: Path, options: argparse.Namespace, steps: Steps) -> None:
    with contextlib.ExitStack() as stack:
        with steps.step("emulation") as shown:
            if os.geteuid():
                raise emulation.NoEmulationError("chroot and mounts need root")
            stack.enter_context(emulation.registered())
        with steps.step("arm64 Debian") as shown:
            made = root.make(fresh=options.fresh)
            root.prepare()
            machine = root.run(root.inside(["uname", "-m"]))
            python = root.run(root.inside(["python3", "--version"]))
            shown += ["made" if made else "kept", root.SUITE, machine, python]
            assert machine == "aarch64", machine
        with steps.step("wheel") as shown:
            wheel = _wheel(scratch)
            shown.append(wheel.name)
        _install(wheel, steps)
        subject = Subject(scratch, dict(os.environ))
        broker = stack.enter_context(Broker("mosquitto"))
        place = Place(scratch, broker)
        stack.callback(place.end)
        with steps.step("agents") as shown:
            shown.extend(_start(place))
        with steps.step("deployed x86 > arm > x86") as shown:
            made = place.deploy(subject.folder, "x86", "arm", "x86", timeout_seconds=SLOW_SECONDS)
            shown.append(f"generation {made.generation} in {made.serving_seconds:.1f} s")
        with steps.step(f"{options.frames} frames") as shown:
            shown.extend(_feed(place, subject, options.frames))
        with steps.step("SIGTERM drains") as shown:
            code = place.agents["arm"].stop(60)
            until(lambda: place.status("arm").state == "offline", "the goodbye")
            shown.append(f"exit code {code}, status offline")
            assert code == 0, place.agents["arm"].log_tail()


def _wheel(scratch: Path) -> Path:
    root.run(["uv", "build", "--quiet", "--wheel", "--out-dir", str(scratch), str(REPOSITORY)])
    (wheel,) = scratch.glob("*.whl")
    return wheel


def _install(wheel: Path, steps: Steps) -> None:
    home = root.FOLDER / root.HOME.lstrip("/")
    shutil.rmtree(home / "venv", ignore_errors=True)
    shutil.rmtree(home / "state", ignore_errors=True)
    shutil.copyfile(wheel, home / wheel.name)
    with steps.step("pip install paceline[coral,cpu]") as shown:
        root.run(root.inside(["python3", "-m", "venv", f"{root.HOME}/venv"]))
        root.run(root.inside([PYTHON, "-m", "pip", "install", "-q", f"./{wheel.name}[coral,cpu]"]))
        root.run(root.inside([PYTHON, "-m", "pip", "check"]))
        listed = root.run(root.inside([PYTHON, "-m", "pip", "list", "--format=json"]))
        found = {package["name"]: package["version"] for package in json.loads(listed)}
        shown.append(f"{len(found)} packages")
    with steps.step("paceline-agent --version") as shown:
        shown.append(root.run(root.inside([f"{root.HOME}/venv/bin/paceline-agent", "--version"])))
    with steps.step("probe child") as shown:
        probe = root.run(root.inside([PYTHON, "-I", "-m", "agent", "probe", "--json"]))
        for name in ("onnx_cpu", "tflite_cpu"):
            (found,) = [one for one in json.loads(probe)["runtimes"] if one["name"] == name]
            shown.append(f"{name} {found['version']} works: {found['works']}")
            assert found["works"], found


def _start(place: Place) -> list[str]:
    """Start an agent here and one in the root; returns what the latter says of itself."""
    place.start("x86")
    home = root.FOLDER / root.HOME.lstrip("/")
    shutil.copyfile(place.public, home / "trusted.pub")
    config = place._config("arm")  # noqa: SLF001 the test's own way of starting an agent
    config |= {
        "state_folder": f"{root.HOME}/state",
        "trust": {"keys": [f"{root.HOME}/trusted.pub"]},
        "runtime": {"threads": 1, "start_seconds": SLOW_SECONDS, "silence_seconds": 60.0},
    }
    (home / "agent.yaml").write_text(yaml.safe_dump(config))
    command = root.inside([PYTHON, "-I", "-m", "agent", "--config", f"{root.HOME}/agent.yaml"])
    place.agents["arm"] = Child(command, log=place.folder / "arm.log")
    info = until(
        lambda: place.ear.last("info", "arm"),
        lambda: f"info of the arm64 agent; its log: {place.agents['arm'].log_tail()}",
        SLOW_SECONDS,
    )
    proved = [f"{r.runtime} {r.version} proved" for r in info.runtimes if r.proved and r.version]
    assert info.machine == "aarch64", info
    assert proved, info
    return [info.machine, f"Python {info.python}", *proved]


def _feed(place: Place, subject: Subject, count: int) -> list[str]:
    pipeline = place.site.pipeline("p")
    frames = (inputs(number) for number in range(count))
    answers = list(pipeline.stream(frames, window=2, deadline_seconds=60.0))
    failed = [str(answer.error) for answer in answers if answer.error]
    assert not failed, failed[0]
    apart = [subject.difference(answer.sequence, answer.tensors) for answer in answers]
    largest = max(difference.max_abs_diff for difference in apart)
    assert all(difference.within for difference in apart), f"outputs differ by {largest:g}"
    stages = {entry.stage: entry.device for entry in answers[-1].timings}
    assert [stages[stage] for stage in sorted(stages)] == ["x86", "arm", "x86"], stages
    seconds = sorted(answer.latency_seconds for answer in answers)
    equal = sum(difference.bit_equal for difference in apart)
    return [
        "all within tolerance",
        f"largest difference {largest:.2g}",
        f"{equal} equal bit by bit",
        f"latency p50 {seconds[count // 2] * 1e3:.0f} ms",
    ]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/arm64-test",
        description="Install the wheel in an emulated arm64 Debian as on a Pi, start the agent"
        " there, and run a pipeline through it and an x86 agent.",
        epilog="example:\n  scripts/arm64-test --frames 40 --json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--frames", type=int, default=20, metavar="N", help="default: 20")
    parser.add_argument("--fresh", action="store_true", help="make the Debian root again")
    parser.add_argument("--json", action="store_true", help="the outcome as one line of JSON")
    return parser.parse_args()


sys.exit(main())
