"""``paceline plan``."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter, validators

from fleet.errors import CodecChoiceError
from fleet.model_plan import answering, codecs, reading
from fleet.model_plan.answering import Asked
from fleet.model_plan.errors import PinError
from fleet.model_plan.explain import explained
from fleet.model_plan.reading import ModelPlanRequest
from fleet.planner import instance as instances
from fleet.planner import planning
from fleet.planner.errors import PlanRequestError
from fleet.planner.problem import Goal
from paceline.asking import asked_infos
from paceline.cache import profiles_folder
from paceline.dimensions import dimension
from paceline.finalists import Measured, MeasureOptions, Measurer, by_sums
from paceline.model_plan_view import Shown
from paceline.options import OutputOptions, SiteOptions
from paceline.plan_view import described, show
from paceline.show.plan_picture import draw

INFEASIBLE: Final = 4

Count = Annotated[int | None, Parameter(validator=validators.Number(gte=1), show_default=False)]


def plan(  # noqa: PLR0913 one for each option
    model: Path | None = None,
    /,
    *,
    fleet: Annotated[Path | None, Parameter(show_default=False)] = None,
    instance: Annotated[Path | None, Parameter(show_default=False)] = None,
    goal: Goal = "throughput",
    policy: str = planning.DEFAULT_POLICY,
    pin: Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)] = (),
    max_stages: Count = None,
    replicas: answering.Replicas = "none",
    codec: str = "auto",
    explain: Annotated[bool, Parameter(negative=())] = False,
    svg: Path | None = None,
    offline: Annotated[bool, Parameter(negative=())] = False,
    dim: Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)] = (),
    example: Annotated[Path | None, Parameter(name="--input")] = None,
    measuring: MeasureOptions = MeasureOptions(),  # noqa: B008 frozen
    where: SiteOptions = SiteOptions(),  # noqa: B008 frozen
    how: OutputOptions = OutputOptions(),  # noqa: B008 frozen
) -> int:
    """Say which devices should run which operators, or that one device is better.

    Of a model it takes what `paceline profile` and `paceline link` measured, and what the fleet
    file says. Exits with 4 where nothing fits.

    Args:
        model: The model, such as model.onnx or model.tflite.
        fleet: The devices and links, such as fleet.yaml; none: this machine alone.
        instance: Instead of a model: a JSON file with operators, devices and links;
            docs/planner.md says what is in it.
        goal: What to make small: the busiest resource's time for each frame (throughput), the
            time that one frame takes in all (latency), joules (energy) or money (cost) a frame.
        policy: Who places the stages: exact, or another to compare with, such as bottleneck,
            memory_proportional, pipeedge, or a file of yours in fleet/planner/policies/.
        pin: Where an operator must run, OPERATOR=DEVICE by its name in the file, or TENSOR=DEVICE
            by a tensor that it writes; may be repeated.
        max_stages: How many stages at most.
        replicas: auto: stages of a split may have several devices, for throughput. Several that
            each serve the whole model are always among what is compared.
        codec: What links may use: auto (any), or a list such as raw,fp16; all but raw and raw+zstd
            move outputs a little (paceline verify --codec says how much).
        explain: Say in words what keeps it back, what comes next, what would help most.
        svg: Draw it: time and memory along the operators, cuts, and who is busy.
        offline: Ask no agent: devices of the fleet file are described by this machine, whose own
            profile is used, and segments are measured here.
        dim: The size of a dynamic dimension, NAME=N; may be repeated.
        example: An .npz with one array for each input, where made-up ones do not do.
        measuring: How the best splits are measured as segments.
        where: Which site's profiles.
        how: How to answer.
    """
    if (model is None) == (instance is None):
        given = "nothing to plan; give a MODEL, or" if model is None else "give a MODEL or"
        raise PlanRequestError("plan", f"{given} an --instance FILE")
    if instance is not None:
        _check_instance(
            fleet=fleet, pin=pin, max_stages=max_stages, replicas=replicas != "none", svg=svg,
            codec=codec != "auto", explain=explain, offline=offline, dim=dim, input=example,
            measure=measuring.measure,
        )  # fmt: skip
        return _plan_instance(instance, goal, policy, how)
    assert model is not None, "one of both is given"
    if svg is not None and svg.suffix.lower() != ".svg":
        raise PlanRequestError(f"--svg {svg}", "is no name of an .svg file")
    loaded = where.load().settings
    request = ModelPlanRequest(
        model=model,
        fleet=fleet,
        site=f"{loaded.root}/{loaded.site}",
        dims=dict(dimension(text) for text in dim),
        example=example,
        pins=_pins(pin),
        offline=offline,
    )
    asked = Asked(
        goal=goal, policy=policy, codecs=_codecs(codec), max_stages=max_stages, replicas=replicas
    )
    planning.load(policy)
    with how.output.progress() as tell:
        setting = reading.read(
            request, profiles_folder(os.environ), lambda fleet: asked_infos(fleet, loaded), tell
        )
        tell("planning")
        began = time.perf_counter()
        answer = answering.answer(setting, asked)
        seconds = time.perf_counter() - began
        found = Measurer(measuring, request, loaded, tell).measure(setting, answer)
        tell("planning")
        words = explained(setting, by_sums(found.answer)) if explain else None
    shown = Shown(setting, found, words, request, seconds)
    if svg is not None:
        draw(svg, setting, found.answer)
    how.output.result(shown.plain(), shown.show)
    if svg is not None and found.answer.chosen:
        how.output.note(f"drawn in {svg}")
    return _exit_code(found, how)


def _exit_code(found: Measured, how: OutputOptions) -> int:
    """Say what kept devices from measuring; return the exit code."""
    failures = found.outcome.failures if found.outcome else {}
    for error in failures.values():
        how.output.note(f"error: {error}")
    if found.answer.chosen is None:
        return INFEASIBLE
    return next((error.exit_code for error in failures.values()), 0)


def _check_instance(**given: object) -> None:
    """Refuse options of a model: an instance is all that is planned."""
    for name, value in given.items():
        if value not in (None, False, ()):
            option = f"--{name.replace('_', '-')}"
            raise PlanRequestError(option, "is for a MODEL; an --instance says all by itself")


def _plan_instance(file: Path, goal: Goal, policy: str, how: OutputOptions) -> int:
    problem = instances.read(file)
    planning.load(policy)  # start-up, which is not planning
    began = time.perf_counter()
    answer = planning.plan(problem, goal, policy)
    seconds = time.perf_counter() - began
    found = described(answer, planning_seconds=seconds) | {"problem": instances.to_tree(problem)}
    how.output.result(found, lambda console: show(console, problem, answer, seconds))
    return 0 if answer.plan else INFEASIBLE


def _pins(pins: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in pins:
        name, equals, device = text.rpartition("=")
        if not (name and equals and device):
            raise PinError(text, "is not OPERATOR=DEVICE")
        if found.get(name, device) != device:
            raise PinError(text, f"{name!r:.80} is pinned to {found[name]}, too")
        found[name] = device
    return found


def _codecs(text: str) -> tuple[str, ...]:
    if text == "auto":
        return tuple(codecs.FIGURES)
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in codecs.FIGURES:
            known = ", ".join(codecs.FIGURES)
            raise CodecChoiceError(text, f"nothing is known of codec {name!r:.40} (known: {known})")
    return names
