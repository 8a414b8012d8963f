"""``paceline fleet``."""

from pathlib import Path

import msgspec

from fleet.fleet_file import reading
from paceline import fleet_view
from paceline.options import OutputOptions


def show(
    file: Path,
    /,
    *,
    how: OutputOptions = OutputOptions(),  # noqa: B008 frozen
) -> int:
    """Show the devices and links of a fleet file, and how each figure is known.

    Args:
        file: Such as fleet.yaml.
        how: How to answer.
    """
    found = reading.read(file)
    how.output.result(msgspec.to_builtins(found), lambda console: fleet_view.show(console, found))
    return 0


def validate(
    file: Path,
    /,
    *,
    how: OutputOptions = OutputOptions(),  # noqa: B008 frozen
) -> int:
    """Print all that is wrong with a fleet file; exits with 3 where something is.

    Args:
        file: Such as fleet.yaml.
        how: How to answer.
    """
    _, problems = reading.examined(file)
    listed = [{"code": problem.code, "message": str(problem)} for problem in problems]
    how.output.result(
        {"file": str(file), "problems": listed},
        lambda console: fleet_view.show_problems(console, str(file), problems),
    )
    return problems[0].exit_code if problems else 0
