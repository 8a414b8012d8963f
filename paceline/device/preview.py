"""The configuration as it will be, read by the agent before anything is written."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from paceline import agent_config
from paceline.device import places
from paceline.device.errors import ConfigRefusedError
from paceline.device.steps import Step, Write

_OF_FILES: Final = "config.file_unusable"
"""A file that the configuration names: those that are given were looked at, and come later."""


def check_configuration(steps: Iterable[Step], root: Path) -> None:
    """Check what ``agent.yaml`` and its drop-ins will say when the steps are done.

    Raises:
        ConfigRefusedError: The agent would not start with it; nothing was done.
    """
    with tempfile.TemporaryDirectory(prefix="paceline-") as name:
        folder = Path(name)
        (folder / "credentials").mkdir()  # so that `credential:NAME` means something
        (folder / "agent.d").mkdir()
        drop_ins = places.below(root, places.CONFIG / "agent.d").glob("*.yaml")
        for file in (*drop_ins, places.below(root, places.AGENT_FILE)):
            if file.is_file() and os.access(file, os.R_OK):
                copy = folder / file.relative_to(places.below(root, places.CONFIG))
                copy.write_bytes(file.read_bytes())
        for step in steps:
            if isinstance(step, Write) and step.path == places.AGENT_FILE:
                (folder / step.path.name).write_bytes(step.data)
        for problem in agent_config.report(folder / places.AGENT_FILE.name).problems:
            if problem.code != _OF_FILES:
                said = problem.message.replace(name, str(places.CONFIG))
                raise ConfigRefusedError(f"{said}; nothing was done")
