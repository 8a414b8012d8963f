"""What `paceline plan --json` printed, or an instance, read from a file."""

from pathlib import Path
from typing import NamedTuple

import msgspec

from fleet.planner import instance as instances
from fleet.planner.plan import Stage
from fleet.planner.problem import Problem
from fleet.simulator.errors import NothingPlannedError, PlanFileError


class PlanFile(NamedTuple):
    """What a file says."""

    problem: Problem
    stages: tuple[Stage, ...] | None
    """None: it is an instance, and nothing is planned yet."""


def read(file: Path) -> PlanFile:
    """Return what is in a file.

    Raises:
        InstanceError: It cannot be read, is no JSON, or its problem is none.
        PlanFileError: It is neither a plan nor an instance.
        NothingPlannedError: It is the answer that nothing fits.
    """
    found = instances.tree(instances.contents(file), str(file))
    if not isinstance(found, dict) or not {"stages", "ops"} & found.keys():
        raise PlanFileError(str(file), "is neither a plan nor an instance")
    if "stages" not in found:
        return PlanFile(instances.of_tree(found, str(file)), None)
    if "problem" not in found:
        raise PlanFileError(str(file), "is a plan that does not say of what (no field 'problem')")
    problem = instances.of_tree(found["problem"], f"{file}: problem")
    try:
        stages = msgspec.convert(found["stages"], tuple[Stage, ...])
    except msgspec.ValidationError as error:
        raise PlanFileError(str(file), f"stages: {error}") from error
    if not stages:
        raise NothingPlannedError(str(file))
    return PlanFile(problem, stages)
