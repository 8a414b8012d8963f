"""``python -I -m agent doctor``: every group of checks, one after the other, and one report.

Each runs in a thread with a limit of time: one that hangs or crashes is a finding, and the others
go on. What is being looked at is said on stderr, a line for each group.
"""

import argparse
import os
import platform
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import msgspec

from agent import config as configuration
from agent.config.errors import ConfigError
from agent.doctor import Group, problem
from agent.examination.subject import CONFIG_FILE, CREDENTIALS, STATE_FOLDER, Subject
from wire import plugins
from wire.reports import DoctorReport, Examination, Finding

PACKAGE: Final = "agent.doctor"
ORDER: Final = (
    "python",
    "packages",
    "config",
    "service",
    "broker",
    "broker_work",
    "broker_packets",
)
"""Groups that come first; the others by name."""


def main(argv: Sequence[str]) -> int:
    """Examine this machine and print the report as one line of JSON."""
    options = _parser().parse_args(argv)
    subject = subject_of(
        options.config,
        os.environ,
        {"device": options.device, "broker.url": options.broker},
        has_agent=not options.without_agent,
    )
    report = examined(subject, lambda title: print(title, file=sys.stderr, flush=True))
    sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
    sys.stdout.flush()
    sys.stderr.flush()
    # a group that hangs in a library must not keep the process
    os._exit(0)


def subject_of(
    file: Path | None,
    environ: Mapping[str, str],
    overrides: Mapping[str, object],
    *,
    has_agent: bool,
    root: Path = Path("/"),
) -> Subject:
    """Return what to examine; a configuration that cannot be used is part of it."""
    seen = dict(environ)
    if file is not None and file.absolute() == root / CONFIG_FILE:
        # what the unit gives to the agent, where we are not its child
        for name, folder in (
            ("STATE_DIRECTORY", STATE_FOLDER),
            ("CREDENTIALS_DIRECTORY", CREDENTIALS),
        ):
            if (root / folder).is_dir():
                seen.setdefault(name, str(root / folder))
    loaded: configuration.Loaded | None = None
    problems: tuple[ConfigError, ...] = ()
    try:
        loaded = configuration.load(file, seen, overrides)
    except ConfigError as error:
        problems = (error,)
    return Subject(
        root=root,
        config_file=file,
        loaded=loaded,
        config_problems=problems,
        has_agent=has_agent,
        environ=seen,
    )


def examined(subject: Subject, tell: Callable[[str], None]) -> DoctorReport:
    """Return what every group found."""
    names = plugins.names(PACKAGE)
    done = []
    for name in sorted(names, key=lambda n: (ORDER.index(n) if n in ORDER else len(ORDER), n)):
        examination = _group(name, subject, tell)
        if examination is not None:
            done.append(examination)
    config = subject.config
    return DoctorReport(
        host=platform.node(),
        examinations=tuple(done),
        device=config.device if config and subject.has_agent else None,
        config=str(subject.config_file) if subject.config_file else None,
        version=_version(),
    )


def _group(name: str, subject: Subject, tell: Callable[[str], None]) -> Examination | None:
    began = time.monotonic()
    try:
        group: Group = plugins.load(PACKAGE, name)
    except Exception as error:  # noqa: BLE001 whatever breaks one file, the others are asked
        return Examination(group=name, title=name, findings=(failed(name, repr(error)),))
    if group.device_only and not subject.has_agent:
        return None
    tell(group.title)
    findings = run(name, group, subject)
    return Examination(
        group=name,
        title=group.title,
        findings=tuple(findings),
        seconds=round(time.monotonic() - began, 3),
    )


def run(name: str, group: Group, subject: Subject) -> list[Finding]:
    """Return what a group finds in its time; a crash and a hang are findings."""
    found: list[Finding] = []
    ended = threading.Event()

    def examine() -> None:
        try:
            for finding in group.findings(subject):
                found.append(finding)  # noqa: PERF402 what came before a crash counts
        except Exception as error:  # noqa: BLE001 a crash is a finding
            found.append(failed(name, f"{type(error).__name__}: {error}"))
        ended.set()

    threading.Thread(target=examine, name=f"doctor {name}", daemon=True).start()
    if ended.wait(group.limit_seconds):
        return found
    return [*found, failed(name, f"it took over {group.limit_seconds:g} s and was left alone")]


def failed(name: str, reason: str) -> Finding:
    """Return that a group could not be examined: a fault of the doctor's, or of the system."""
    return problem(
        "doctor.check_failed",
        f"the checks of {name} did not end well: {reason:.300}",
        "report it with the output of `paceline doctor --json`; the other groups were examined",
    )


def _version() -> str:
    try:
        return version("paceline")
    except PackageNotFoundError:
        return ""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -I -m agent doctor", description=__doc__)
    parser.add_argument("command", choices=("doctor",))
    parser.add_argument("--config", type=Path, metavar="FILE", help="the agent's configuration")
    parser.add_argument("--device", metavar="ID", help="as the agent was given it")
    parser.add_argument("--broker", metavar="URL", help="as the agent was given it")
    parser.add_argument(
        "--without-agent", action="store_true", help="only what a machine without an agent needs"
    )
    parser.add_argument("--json", action="store_true", help="the only form there is")
    return parser
