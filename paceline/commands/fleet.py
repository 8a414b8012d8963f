"""``paceline fleet``."""

import os
from pathlib import Path

import msgspec

from fleet.fleet_file import completing, reading
from fleet.fleet_file.description import Fleet
from fleet.profiles import links, store, subject
from paceline import fleet_view
from paceline.cache import profiles_folder
from paceline.options import OutputOptions, SiteOptions


def show(
    file: Path,
    /,
    *,
    model: Path | None = None,
    where: SiteOptions = SiteOptions(),  # noqa: B008 frozen
    how: OutputOptions = OutputOptions(),  # noqa: B008 frozen
) -> int:
    """Show the devices and links of a fleet file, and how each figure is known.

    Args:
        file: Such as fleet.yaml.
        model: With what was measured of this model on devices, and of links.
        where: Which site's links.
        how: How to answer.
    """
    found = reading.read(file)
    if model is not None:
        found = _completed(found, model, where)
    how.output.result(msgspec.to_builtins(found), lambda console: fleet_view.show(console, found))
    return 0


def _completed(fleet: Fleet, model: Path, where: SiteOptions) -> Fleet:
    """Return the fleet with what is kept of a model on its devices, and of its links."""
    loaded = where.load().settings
    folder, site = profiles_folder(os.environ), f"{loaded.root}/{loaded.site}"
    profiles = {
        profile.device: profile
        for profile in reversed(store.of_model(folder, subject.identified(model).sha256))
        if profile.question.site == site
    }
    return completing.completed(fleet, {}, profiles, links.of_site(folder, site))


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
