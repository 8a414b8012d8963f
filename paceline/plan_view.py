"""A plan as tables, for people; and as plain data, for programs."""

from collections.abc import Iterator

import msgspec
from rich.console import Console
from rich.table import Table

from fleet.planner.objective import Hop, memory_bytes, timing
from fleet.planner.plan import Answer, Plan, Shortage
from fleet.planner.problem import Problem
from paceline.formatting import counted, seconds_text, size_text
from paceline.output import one_line


def described(answer: Answer, planning_seconds: float) -> dict[str, object]:
    """Return what ``--json`` prints."""
    plan, single = answer.plan, answer.single
    found: dict[str, object] = {
        "feasible": plan is not None,
        "optimal": answer.optimal,
        "gap": answer.gap,
        "objective_seconds": plan.objective_seconds if plan else None,
        "stages": msgspec.to_builtins(plan.stages) if plan else [],
        "verdict": answer.verdict,
        "single_device_seconds": single.objective_seconds if single else None,
        "planning_seconds": planning_seconds,
        "goal": answer.goal,
        "policy": answer.policy,
        "cut_space": answer.cut_space,
        "single_device": single.stages[0].device if single else None,
        "split": msgspec.to_builtins(answer.split) if answer.split else None,
    }
    if answer.shortage:
        found["shortage"] = msgspec.to_builtins(answer.shortage)
    return found


def show(console: Console, problem: Problem, answer: Answer, planning_seconds: float) -> None:
    """Print an answer."""
    known = answer.plan is not None or answer.optimal
    verdict = answer.verdict if known else f"none, since {answer.policy} found nothing that fits"
    console.print(f"verdict: {verdict}", style="bold")
    for line in _candidates(answer):
        console.print(f"  {one_line(line)}")
    console.print()
    if answer.plan:
        console.print(_stages(problem, answer.plan, answer))
    if answer.shortage:
        _show_shortage(console, answer.shortage)
    console.print(f"\n{_effort(problem, answer)} in {seconds_text(planning_seconds)}", style="dim")


def _candidates(answer: Answer) -> Iterator[str]:
    """Yield what stands against each other."""
    for name, plan in (("split", answer.split), ("single device", answer.single)):
        if plan:
            stages = len(plan.stages)
            where = f"{stages} stages" if stages > 1 else plan.stages[0].device
            yield f"best {name}: {_worth(answer, plan)} ({where})"
        else:
            yield f"best {name}: none that fits"


def _worth(answer: Answer, plan: Plan) -> str:
    seconds = seconds_text(plan.objective_seconds)
    if answer.goal == "throughput":
        return f"{1 / plan.objective_seconds:.4g} frames/s, {seconds} for each"
    return f"{seconds} from source to sink"


def _stages(problem: Problem, plan: Plan, answer: Answer) -> Table:
    """Return the stages and hops of a plan, in the way of a frame."""
    times = timing(problem, plan.stages)
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    busy = answer.goal == "throughput"
    for title in ("operators", "memory", "carries", "busy" if busy else "time", "share"):
        table.add_column(title, justify="right")
    table.add_column("")
    hops = list(times.hops)

    def share(seconds: float) -> tuple[str, str]:
        part = seconds / plan.objective_seconds
        slowest = busy and part >= 1 - 1e-9
        return f"{part:.0%}", "◂ slowest" if slowest else ""

    def add_hop(hop: Hop) -> None:
        counted = hop.transfer_seconds if busy else hop.seconds
        name = f"  {one_line(f'{hop.from_} → {hop.to}')}"
        size, took = size_text(hop.size_bytes), seconds_text(counted)
        table.add_row(name, "", "", size, took, *share(counted))

    if problem.source is not None and problem.source != plan.stages[0].device:
        add_hop(hops.pop(0))
    for stage, seconds in zip(plan.stages, times.stage_seconds, strict=True):
        ops = problem.ops[stage.first : stage.last + 1]
        table.add_row(
            one_line(stage.device),
            f"{stage.first}-{stage.last}",
            size_text(memory_bytes(ops)),
            "",
            seconds_text(seconds),
            *share(seconds),
        )
        if hops:
            add_hop(hops.pop(0))
    return table


def _show_shortage(console: Console, found: Shortage) -> None:
    """Print why nothing fits."""
    for reason in found.reasons:
        console.print(one_line(reason))
    console.print(f"one device for all of it would need {size_text(found.needed_bytes)}; there is:")
    for device, size in found.available_bytes.items():
        has = "no limit" if size is None else size_text(size)
        console.print(f"  {one_line(device)}: {has}")
    if found.nearest_change:
        console.print(one_line(f"nearest change: {found.nearest_change}"))


def _effort(problem: Problem, answer: Answer) -> str:
    """Return how sure the answer is."""
    size = f"{counted(len(problem.ops), 'operator')}, {counted(len(problem.devices), 'device')}"
    if answer.optimal:
        return f"{size}: proven for every cut of the {answer.cut_space}, planned"
    if answer.gap is None:
        return f"{size}: policy {answer.policy} proves nothing, planned"
    return f"{size}: at most {answer.gap:.1%} from the best, planned"
