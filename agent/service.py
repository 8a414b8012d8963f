"""The agent as a service: its options, its configuration, and its life until it is told to stop."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec
import structlog

from agent import config as configuration
from agent import logs, sd_notify
from agent.config import checks as config_checks
from agent.config import files as config_files
from agent.config.errors import ConfigError
from wire.allocator import share_one_heap
from wire.errors import CodedError
from wire.reports import ConfigProblem, ConfigReport

log = structlog.get_logger()

_EXAMPLE: Final = """\
examples:
  paceline-agent --config configs/x86.yaml
  paceline-agent --config configs/raspberry-pi.yaml --device pi-kitchen
  paceline-agent --config configs/x86.yaml --show-config
"""


def main(arguments: Sequence[str]) -> int:
    """Run the agent until it is told to stop; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return _run(options)
    except CodedError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code


def _run(options: argparse.Namespace) -> int:
    overrides = {"device": options.device, "broker.url": options.broker}
    if options.config_schema:
        from agent.config import json_schema  # noqa: PLC0415 a daemon needs none

        sys.stdout.write(json.dumps(json_schema.schema(), indent=2) + "\n")
        return 0
    if options.check_config:
        return _check(options.config, overrides)
    loaded = configuration.load(options.config, os.environ, overrides)
    if options.show_config:
        sys.stdout.write(json.dumps(loaded.rows(), indent=2) + "\n")
        return 0
    for problem in _problems(loaded):
        raise problem
    share_one_heap()
    logs.configure(loaded.config.log.format, loaded.config.log.level)
    for url, reason in config_checks.warnings(loaded.config):
        log.warning("broker.found_weak", url=url, reason=reason)
    if loaded.config.insecure:
        log.warning("agent.started_insecure", reason="the configuration says `insecure: true`")
    asyncio.run(_supervise(loaded.config, _given(options)))
    return 0


def _check(file: Path | None, overrides: Mapping[str, object]) -> int:
    """Print all that is wrong with the configuration; nothing is started."""
    loaded, problems = configuration.examined(file, os.environ, overrides)
    found = [*problems, *(_problems(loaded) if loaded is not None else ())]
    weak = config_checks.warnings(loaded.config) if loaded is not None else ()
    report = ConfigReport(
        problems=tuple(ConfigProblem(code=p.code, message=str(p)) for p in found),
        warnings=tuple(f"{url}: {reason}" for url, reason in weak),
    )
    sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
    return found[0].exit_code if found else 0


def _problems(loaded: configuration.Loaded) -> Iterator[ConfigError]:
    """Yield what an agent does not start with, beyond what one value shows by itself."""
    yield from config_checks.problems(loaded)
    yield from config_files.problems(loaded)


def _given(options: argparse.Namespace) -> list[str]:
    """Return the options that a child needs to read the same configuration."""
    given = (
        ("--config", options.config),
        ("--device", options.device),
        ("--broker", options.broker),
    )
    return [text for name, value in given if value is not None for text in (name, str(value))]


async def _supervise(config: configuration.Config, arguments: Sequence[str]) -> None:
    from agent.supervisor.daemon import Supervisor  # noqa: PLC0415 not needed to show the config

    manager = sd_notify.from_environment(os.environ)
    await Supervisor(config, arguments=arguments, manager=manager).run()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="paceline-agent",
        description="Run segments of models on this device, as the site's control assigns them.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="YAML configuration")
    parser.add_argument("--device", metavar="ID", help="this device's id")
    parser.add_argument("--broker", metavar="URL", help="such as mqtt://localhost:1883")
    parser.add_argument(
        "--show-config", action="store_true", help="print every value with its source, and end"
    )
    parser.add_argument(
        "--check-config", action="store_true", help="print all that is wrong, as JSON, and end"
    )
    parser.add_argument(
        "--config-schema", action="store_true", help="print the file's JSON Schema, and end"
    )
    parser.add_argument("--version", action="version", version=version("paceline"))
    return parser
