"""``paceline simulate``."""

from pathlib import Path

import msgspec

from fleet.errors import BadRequestError
from fleet.planner import planning
from fleet.planner.plan import Stage
from fleet.planner.problem import Goal
from fleet.simulator import changes, plan_file
from fleet.simulator.build import built
from fleet.simulator.errors import NothingPlannedError
from fleet.simulator.pipeline import Load, Pipeline
from fleet.simulator.report import Report, report
from fleet.simulator.simulation import Simulation
from paceline.options import OutputOptions
from paceline.show.errors import PictureUnwritableError
from paceline.show.gantt import gantt
from paceline.simulate_options import ClientOptions, RunOptions, WorldOptions
from paceline.simulate_view import show


def simulate(
    plan: Path,
    /,
    *,
    goal: Goal = "throughput",
    world: WorldOptions = WorldOptions(),  # noqa: B008 frozen
    client: ClientOptions = ClientOptions(),  # noqa: B008 frozen
    run: RunOptions = RunOptions(),  # noqa: B008 frozen
    svg: Path | None = None,
    how: OutputOptions = OutputOptions(),  # noqa: B008 frozen
) -> int:
    """Say what a plan would do: frames a second, latencies, who waits for whom.

    Args:
        plan: What `paceline plan --json` printed; or an instance, which is planned first.
        goal: What an instance is planned for.
        world: What is otherwise than planned.
        client: What the client does.
        run: How long, and by which chance.
        svg: Draw the last frames into this file: who was busy with which of them when.
        how: How to answer.
    """
    if svg is not None and svg.suffix.lower() != ".svg":
        raise BadRequestError(f"--svg {svg}", "is no name of an .svg file")
    if client.policy == "drop_oldest" and client.rate is None:
        raise BadRequestError("--policy drop_oldest", "frames come too fast only at a --rate")
    pipeline, stages = _planned(plan, goal, world.inbox)
    for change in world.changes:
        pipeline = changes.changed(pipeline, change)
    load = Load(
        window=client.window,
        rate=client.rate,
        arrivals=client.arrivals,
        policy=client.policy,
        deadline_seconds=client.deadline,
        frames=run.frames,
        seed=run.seed,
        kills=changes.kills(pipeline, world.kill),
    )
    simulation = Simulation(pipeline, load)
    with how.output.progress() as tell:
        tell("simulating")
        simulation.run()
    found = report(simulation, [kill.device for kill in load.kills])
    if svg is not None:
        _draw(svg, gantt(pipeline, simulation.trace, found))
    how.output.result(
        _described(found, pipeline, load, stages),
        lambda console: show(console, pipeline, load, found),
    )
    if svg is not None:
        how.output.note(f"drawn in {svg}")
    return 0


def _planned(file: Path, goal: Goal, inbox: int) -> tuple[Pipeline, tuple[Stage, ...]]:
    problem, stages, pipeline = plan_file.read(file, inbox)
    if stages is None:
        answer = planning.plan(problem, goal)
        if answer.plan is None:
            raise NothingPlannedError(str(file))
        stages = answer.plan.stages
    return pipeline or built(problem, stages, inbox), stages


def _described(
    found: Report, pipeline: Pipeline, load: Load, stages: tuple[Stage, ...]
) -> dict[str, object]:
    """Return what ``--json`` prints."""
    plain: dict[str, object] = msgspec.to_builtins(found)
    return {
        **plain,
        "steady": msgspec.to_builtins(found.steady),
        "stages": msgspec.to_builtins(stages),
        "load": msgspec.to_builtins(load),
        "source": pipeline.source,
        "sink": pipeline.sink,
    }


def _draw(path: Path, picture: str) -> None:
    try:
        path.write_text(picture, encoding="utf-8")
    except OSError as error:
        raise PictureUnwritableError(str(path), error.strerror or str(error)) from error
