"""``paceline-agent`` and ``python -m agent``: the supervisor, or one of its child commands."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

from agent import config as configuration
from agent import logs, sd_notify
from agent.config import files as config_files
from wire.errors import CodedError

CHILD_COMMANDS: Final = ("probe", "bench", "run-segment")
DOCTOR: Final = "doctor"

_EXAMPLE: Final = """\
examples:
  paceline-agent --config configs/x86.yaml
  paceline-agent --config configs/raspberry-pi.yaml --device pi-kitchen
  paceline-agent --config configs/x86.yaml --show-config
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the agent until it is told to stop; returns the exit status."""
    argv = list(sys.argv[1:] if arguments is None else arguments)
    if argv and argv[0] in CHILD_COMMANDS:
        from agent import children  # noqa: PLC0415 imports numpy, which the supervisor must not

        return children.main(argv)
    if argv and argv[0] == DOCTOR:
        from agent import examination  # noqa: PLC0415 another process's, like the children

        return examination.main(argv)
    options = _parser().parse_args(argv)
    try:
        return _run(options)
    except CodedError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code


def _run(options: argparse.Namespace) -> int:
    overrides = {"device": options.device, "broker.url": options.broker}
    loaded = configuration.load(options.config, os.environ, overrides)
    if options.show_config:
        sys.stdout.write(json.dumps(loaded.rows(), indent=2) + "\n")
        return 0
    config_files.check(loaded)
    logs.configure(loaded.config.log.format, loaded.config.log.level)
    asyncio.run(_supervise(loaded.config, _given(options)))
    return 0


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
    parser.add_argument("--version", action="version", version=version("paceline"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
