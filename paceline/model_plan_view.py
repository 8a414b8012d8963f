"""A model's plan as tables, for people; and as plain data, for programs."""

import shlex
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from fleet.model_plan import problems
from fleet.model_plan.answering import ModelAnswer
from fleet.model_plan.candidate import Candidate, HopFigures
from fleet.model_plan.setting import Setting
from fleet.planner.problem import Problem
from paceline.formatting import seconds_text, size_text, work_text
from paceline.output import one_line

Plain = dict[str, Any]


def described(setting: Setting, answer: ModelAnswer, planning_seconds: float, model: str) -> Plain:
    """Return what ``--json`` prints; ``problem`` and ``stages`` are what simulate takes."""
    chosen = answer.chosen
    seconds = answer.goal in ("throughput", "latency")
    worth = chosen.objective(answer.goal) if chosen else None
    return {
        "feasible": chosen is not None,
        "verdict": answer.verdict,
        "goal": answer.goal,
        "policy": answer.policy,
        "optimal": answer.optimal,
        "gap": answer.gap,
        "cut_space": setting.chain.cut_space,
        "objective": worth,
        "objective_unit": _unit(setting, answer.goal),
        "objective_seconds": worth if seconds else None,
        "stages": [
            {"device": stage.device, "first": stage.first, "last": stage.last}
            for stage in (chosen.stages if chosen and chosen.replicas == 1 else ())
        ],
        "single_device": answer.single.devices[0] if answer.single else None,
        "single_device_seconds": (
            answer.single.objective(answer.goal) if answer.single and seconds else None
        ),
        "chosen": chosen.described() if chosen else None,
        "single": answer.single.described() if answer.single else None,
        "replicas": answer.replicas.described() if answer.replicas else None,
        "split": answer.split.described() if answer.split else None,
        "shortage": msgspec.to_builtins(answer.shortage) if answer.shortage else None,
        "computational_complexity": setting.chain.multiply_accumulates,
        "without_rule": setting.chain.without_rule,
        "blocks": msgspec.to_builtins(setting.chain.blocks),
        "devices": msgspec.to_builtins(setting.devices),
        "links": msgspec.to_builtins(setting.links),
        "problem": _instance(answer.problem),
        "next": commands(setting, answer, model),
        "notes": list(setting.notes),
        "planning_seconds": planning_seconds,
    }


def commands(setting: Setting, answer: ModelAnswer, model: str) -> list[str]:
    """Return the commands that make a plan real."""
    chosen = answer.chosen
    if chosen is None:
        return []
    if chosen.replicas > 1 or len(chosen.stages) == 1:
        return [
            f"paceline split {shlex.quote(model)} --stages 1 --out parts",
            f"paceline deploy parts --to {'+'.join(chosen.devices)}",
        ]
    cuts = ["+".join(setting.chain.blocks[stage.last].cut) for stage in chosen.stages[:-1]]
    between = [hop for hop in chosen.hops if hop.codec != "raw"]
    places = {(a.device, b.device): n for n, (a, b) in enumerate(_pairs(chosen))}
    codec = ",".join(f"{places[hop.source, hop.target]}={hop.codec}" for hop in between)
    kinds = {hop.link for hop in chosen.hops if hop.link}
    options = f" --codec {codec}" if codec else ""
    options += f" --link {next(iter(kinds))}" if len(kinds) == 1 else ""
    return [
        f"paceline split {shlex.quote(model)} --at {shlex.quote(','.join(cuts))} --out parts",
        f"paceline deploy parts --to {','.join(chosen.devices)}{options}",
    ]


def show(
    console: Console, setting: Setting, answer: ModelAnswer, planning_seconds: float, model: str
) -> None:
    """Print an answer."""
    console.print(f"verdict: {answer.verdict}", style="bold")
    for name, found in (
        ("best single device", answer.single),
        ("replicas of the whole", answer.replicas),
        ("best split", answer.split),
    ):
        mark = "▸" if found is not None and found == answer.chosen else " "
        console.print(f"{mark} {name}: {_worth(setting, answer, found)}")
    console.print()
    if answer.chosen:
        console.print(_table(setting, answer.chosen))
        _measures(console, setting, answer.chosen)
    if answer.shortage:
        _shortage(console, answer)
    for note in setting.notes:
        console.print(f"note: {one_line(note)}", style="dim")
    console.print(f"\n{_effort(setting, answer)} in {seconds_text(planning_seconds)}", style="dim")
    if lines := commands(setting, answer, model):
        console.print("\nNext:")
        for line in lines:
            console.print(f"  {one_line(line)}", soft_wrap=True)


def _pairs(chosen: Candidate) -> Iterator[tuple[Any, Any]]:
    return zip(chosen.stages, chosen.stages[1:], strict=False)


def _unit(setting: Setting, goal: str) -> str:
    if goal == "cost":
        return f"{problems.currency(setting)}/frame"
    return "joules/frame" if goal == "energy" else "seconds"


def _worth(setting: Setting, answer: ModelAnswer, found: Candidate | None) -> str:
    if found is None:
        return "none that fits"
    if answer.goal == "throughput":
        rate = f"{1 / found.period_seconds:.4g} frames/s"
        worth = f"{rate}, {seconds_text(found.period_seconds)} for each"
    elif answer.goal == "latency":
        worth = f"{seconds_text(found.latency_seconds)} from source to sink"
    elif answer.goal == "energy":
        worth = f"{found.joules:.3g} J a frame"
    else:
        million = (found.cost or 0.0) * 1e6
        worth = f"{million:.3g} {problems.currency(setting)} a million frames"
    return f"{worth} ({one_line((' + ' if found.replicas > 1 else ' → ').join(found.devices))})"


def _table(setting: Setting, chosen: Candidate) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for title in ("blocks", "work", "memory", "carries", "time", "busy"):
        table.add_column(title, justify="right")
    table.add_column("known")
    periods = chosen.replica_periods or (chosen.period_seconds,) * len(chosen.stages)

    def add_hops(hops: Sequence[HopFigures], period: float) -> None:
        for hop in hops:
            codec = "" if hop.codec == "raw" else f" {hop.codec}"
            table.add_row(
                one_line(f"  {hop.source} → {hop.target}"),
                "",
                "",
                "",
                f"{size_text(hop.raw_bytes)}{codec}",
                seconds_text(hop.latency_seconds + hop.transfer_seconds),
                f"{hop.transfer_seconds / period:.0%}",
                setting.link(hop.source, hop.target).rate.origin,
            )

    for stage, period, (before, after) in zip(
        chosen.stages, periods, _hops(setting, chosen), strict=True
    ):
        add_hops(before, period)
        table.add_row(
            one_line(stage.device),
            f"{stage.first}-{stage.last}",
            work_text(stage.multiply_accumulates),
            size_text(stage.memory_bytes),
            "",
            seconds_text(stage.seconds),
            f"{stage.seconds / period:.0%}",
            setting.device(stage.device).seconds_origin,
        )
        add_hops(after, period)
    return table


def _hops(setting: Setting, chosen: Candidate) -> list[tuple[list[HopFigures], list[HopFigures]]]:
    """Return what is told before and behind each stage."""
    if chosen.replicas > 1:
        source, sink = setting.source, setting.sink
        return [
            (
                [h for h in chosen.hops if (h.source, h.target) == (source, device)],
                [h for h in chosen.hops if (h.source, h.target) == (device, sink)],
            )
            for device in chosen.devices
        ]
    hops = list(chosen.hops)
    entry = [hops.pop(0)] if hops and hops[0].target == chosen.devices[0] else []
    rest = [[hop] for hop in hops] + [[]] * (len(chosen.stages) - len(hops))
    return [(entry if not place else [], after) for place, after in enumerate(rest)]


def _measures(console: Console, setting: Setting, chosen: Candidate) -> None:
    rate = 1 / chosen.period_seconds
    console.print(f"\nC, work of a frame: {work_text(setting.chain.multiply_accumulates)} MAC")
    if setting.chain.without_rule:
        names = ", ".join(f"{k} ({n})" for k, n in sorted(setting.chain.without_rule.items()))
        console.print(f"   without a rule, counted as none: {names}")
    console.print(
        f"D, latency: {seconds_text(chosen.compute_seconds)} without hops,"
        f" {seconds_text(chosen.latency_seconds)} with them"
    )
    console.print(
        f"T, throughput: {rate:.4g} frames/s = N / D with"
        f" N = {rate * chosen.latency_seconds:.2f} frames in flight"
    )
    if chosen.joules is not None:
        console.print(f"energy: {chosen.joules:.3g} J a frame, of computing")


def _shortage(console: Console, answer: ModelAnswer) -> None:
    found = answer.shortage
    assert found is not None, "it is asked for first"
    for reason in found.reasons:
        console.print(one_line(reason))
    console.print(f"one device for all of it would need {size_text(found.needed_bytes)}; there is:")
    for device, size in found.available_bytes.items():
        has = "no limit" if size is None else size_text(size)
        console.print(f"  {one_line(device)}: {has}")
    if found.nearest_change:
        console.print(one_line(f"nearest change: {found.nearest_change}"))


def _effort(setting: Setting, answer: ModelAnswer) -> str:
    space = setting.chain.cut_space
    size = f"{len(setting.chain.blocks)} blocks, {len(setting.devices)} devices, cuts: {space}"
    if answer.optimal:
        return f"{size}; proven best, planned"
    if answer.gap is None:
        return f"{size}; the best that was found, nothing proven, planned"
    return f"{size}; at most {answer.gap:.1%} from the best, planned"


def _instance(problem: Problem) -> Plain:
    """Return a problem as `paceline plan --instance` reads it."""
    return {
        "ops": msgspec.to_builtins(problem.ops),
        "devices": [{"id": d.id, "memory_bytes": d.memory_bytes} for d in problem.devices],
        "links": msgspec.to_builtins(problem.links),
        "source": problem.source,
        "sink": problem.sink,
        "input_bytes": problem.input_bytes,
        "output_bytes": problem.output_bytes,
    }
