"""A deploy that is what a plan says: read from what `paceline plan MODEL --json` printed."""

from pathlib import Path
from typing import Any

import msgspec

from fleet.control.deploy_errors import PlanMismatchError, PlanUnusableError
from fleet.control.deployments import Promise
from fleet.deploy_options import DeployOptions
from fleet.model_plan.candidate import Candidate
from fleet.model_plan.realising import deploy_options
from fleet.model_plan.setting import WINDOW
from fleet.planner import instance as instances
from fleet.simulator import plan_file, predicting
from fleet.simulator.pipeline import Pipeline
from wire.manifest import Manifest, ModelRef


class PlannedBlock(msgspec.Struct, frozen=True):
    """What is read of a block of the chain."""

    cut: tuple[str, ...]
    """The tensors that are computed and cross behind it."""


class PlannedModel(msgspec.Struct, frozen=True, kw_only=True):
    """What is read of a plan of a model."""

    model: ModelRef
    chosen: Candidate
    blocks: tuple[PlannedBlock, ...]
    next: tuple[str, ...]
    """The commands that make it real."""
    goal: str = ""
    pipeline: dict[str, Any] | None = None
    """What is simulated; None: an earlier version planned."""

    @property
    def options(self) -> DeployOptions:
        """What a deploy is told."""
        return deploy_options(self.chosen)

    @property
    def cuts(self) -> list[tuple[str, ...]]:
        """The tensors of each cut."""
        return [self.blocks[group.last].cut for group in self.chosen.groups[:-1]]


def read(file: Path) -> PlannedModel:
    """Return the plan in a file.

    Raises:
        InstanceError: It cannot be read, or is no JSON.
        PlanUnusableError: It is no plan of a model, or the answer that nothing fits.
    """
    found = instances.tree(instances.contents(file), str(file))
    if not isinstance(found, dict) or "verdict" not in found:
        raise PlanUnusableError(str(file), "is no plan")
    if "chosen" not in found:
        raise PlanUnusableError(str(file), "is the plan of an instance, of which there is no model")
    if found["chosen"] is None:
        raise PlanUnusableError(str(file), "says that nothing fits")
    return _converted(file, found)


def pipeline(file: Path) -> Pipeline:
    """Return the pipeline that a plan's file is of, to be simulated.

    Raises:
        CodedError: As of `read`; or it does not tell, or what it tells cannot be.
    """
    plan = read(file)
    if plan.pipeline is None:
        raise PlanUnusableError(str(file), "was written by an earlier version")
    return plan_file.of_tree(plan.pipeline, str(file))


def promise(file: Path, plan: PlannedModel) -> Promise | None:
    """Return what a plan promises; None: it does not tell.

    Raises:
        PlanFileError: It promises what cannot be.
        SimulationTooLongError: Nobody can tell in time.
    """
    if plan.pipeline is None:
        return None
    pipeline = plan_file.of_tree(plan.pipeline, str(file))
    return Promise(
        goal=plan.goal,
        pipeline=plan.pipeline,
        predicted=predicting.predicted(pipeline, WINDOW),
    )


def check(file: Path, plan: PlannedModel, manifest: Manifest) -> None:
    """Check that a split model is what was planned.

    Raises:
        PlanMismatchError: It is another model, or cut elsewhere.
    """
    split = plan.next[0] if plan.next else "paceline plan again"
    if plan.model.sha256 != manifest.model.sha256:
        raise PlanMismatchError(
            str(file),
            f"of model {plan.model.name} ({plan.model.sha256[:12]})",
            f"of {manifest.model.name} ({manifest.model.sha256[:12]})",
            split,
        )
    given = {spec.name for spec in manifest.inputs}
    made = [{spec.name for spec in edge.tensors} - given for edge in manifest.edges[1:-1]]
    if made != [set(cut) for cut in plan.cuts]:
        raise PlanMismatchError(str(file), _cuts(plan.cuts), _cuts(made), split)


def _converted(file: Path, found: dict[str, Any]) -> PlannedModel:
    try:
        plan = msgspec.convert(found, PlannedModel)
        plan.cuts  # noqa: B018 blocks that are not there
    except (msgspec.ValidationError, IndexError) as error:
        problem = f"is no plan that this version reads ({error})"
        raise PlanUnusableError(str(file), problem) from error
    return plan


def _cuts(cuts: Any) -> str:
    return "cut at " + (", ".join("+".join(sorted(cut)) for cut in cuts) or "no tensor")
