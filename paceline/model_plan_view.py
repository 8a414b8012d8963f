"""A model's plan as tables, for people; and as plain data, for programs."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from fleet.fleet_file.description import MEASURED
from fleet.model_plan import problems, served
from fleet.model_plan.answering import ModelAnswer
from fleet.model_plan.candidate import Candidate, HopFigures
from fleet.model_plan.codecs import FIGURES
from fleet.model_plan.explain import Explanation
from fleet.model_plan.reading import ModelPlanRequest
from fleet.model_plan.realising import deploy_options
from fleet.model_plan.setting import WINDOW, DeviceFigures, Setting
from fleet.planner import instance as instances
from fleet.simulator import plan_file
from paceline import finalists_view
from paceline.finalists import Measured
from paceline.formatting import counted, seconds_text, size_text, work_text
from paceline.model_plan_words import sentences
from paceline.output import one_line

Plain = dict[str, Any]
PARTS = "parts"
"""The folder that the printed commands write."""


@dataclass(frozen=True, slots=True)
class Shown:
    """All that there is to show of a plan."""

    setting: Setting
    measured: Measured
    explanation: Explanation | None
    request: ModelPlanRequest
    planning_seconds: float

    @property
    def answer(self) -> ModelAnswer:
        """Return what planning and measuring came to."""
        return self.measured.answer

    def plain(self) -> Plain:
        """Return what ``--json`` prints; ``problem`` and ``stages`` are what simulate takes."""
        setting, answer, chosen = self.setting, self.answer, self.answer.chosen
        goal, chain, single = answer.goal, setting.chain, answer.single
        worth = chosen.objective(goal) if chosen else None
        in_seconds = goal in ("throughput", "latency")
        return {
            "model": msgspec.to_builtins(chain.model),
            "feasible": chosen is not None,
            "verdict": answer.verdict,
            "goal": goal,
            "policy": answer.asked.policy,
            "optimal": answer.optimal,
            "gap": answer.gap,
            "cut_space": chain.cut_space,
            "objective": worth,
            "objective_unit": _unit(setting, goal),
            "objective_seconds": worth if in_seconds else None,
            "stages": [
                {"device": stage.device, "first": stage.first, "last": stage.last}
                for stage in (chosen.stages if chosen else ())
            ],
            "single_device": single.to if single else None,
            "single_device_seconds": single.objective(goal) if single and in_seconds else None,
            "chosen": chosen.described() if chosen else None,
            "single": single.described() if single else None,
            "replicas": answer.replicas.described() if answer.replicas else None,
            "split": answer.split.described() if answer.split else None,
            "measured": chosen is not None and self._is_measured(chosen),
            "finalists": finalists_view.plain(setting, answer),
            "wholes": finalists_view.wholes(setting, answer),
            "failures": self._failures(),
            "shortage": self._short() if answer.shortage else None,
            "computational_complexity": chain.multiply_accumulates,
            "without_rule": chain.without_rule,
            "explanation": msgspec.to_builtins(self.explanation) if self.explanation else None,
            "words": list(self._words()),
            "blocks": msgspec.to_builtins(chain.blocks),
            "devices": msgspec.to_builtins(setting.devices),
            "links": msgspec.to_builtins(setting.links),
            plan_file.FIELD: plan_file.described(served.pipeline(setting, chosen))
            if chosen
            else None,
            "problem": instances.to_tree(answer.problem),
            "next": self.commands(),
            "notes": list(self.notes()),
            "planning_seconds": self.planning_seconds,
        }

    def _is_measured(self, chosen: Candidate) -> bool:
        """Whether what is chosen was measured as it is, not only its operators."""
        devices = [self.setting.device(name) for name in chosen.devices]
        known = any(one.measured is chosen for one in self.answer.finalists)
        return all(d.seconds_origin == MEASURED for d in devices) and (known or not chosen.is_split)

    def _short(self) -> Plain:
        """Return the shortage: what is left for weights beside what each device has in all."""
        found: Plain = msgspec.to_builtins(self.answer.shortage)
        memory = {
            one.id: {"memory_bytes": one.memory.value, "runtime_bytes": one.runtime_bytes}
            for one in self.setting.devices
        }
        return {**found, "devices": memory}

    def _failures(self) -> Plain:
        failures = self.measured.outcome.failures if self.measured.outcome else {}
        return {n: {"code": error.code, "message": str(error)} for n, error in failures.items()}

    def commands(self) -> list[str]:
        """Return the commands that make a plan real."""
        chosen, request = self.answer.chosen, self.request
        if chosen is None:
            return []
        dims = "".join(f" --dim {shlex.quote(f'{k}={v}')}" for k, v in request.dims.items())
        example = f" --input {shlex.quote(str(request.example))}" if request.example else ""
        blocks = self.setting.chain.blocks
        cuts = ",".join("+".join(blocks[group.last].cut) for group in chosen.groups[:-1])
        where = f"--at {shlex.quote(cuts)}" if cuts else "--stages 1"
        model = shlex.quote(str(request.model))
        devices = [self.setting.device(name) for name in chosen.devices]
        if any(device.on_chip_bytes is not None for device in devices):
            dims = " --for edgetpu"  # whose sizes are those of the file
        return [
            f"paceline split {model} {where}{dims}{example} --out {PARTS}",
            f"paceline deploy {PARTS} {deploy_options(chosen).text}",
        ]

    def notes(self) -> Iterator[str]:
        """Yield what a reader should know."""
        yield from self.setting.notes
        chosen = self.answer.chosen
        if chosen and any(not FIGURES[hop.codec].exact for hop in chosen.hops):
            names = ",".join(sorted({hop.codec for hop in chosen.hops} - {"raw"}))
            yield (
                f"{names} moves outputs a little: paceline verify {PARTS} --codec {names} says how"
                " much; --codec raw plans without"
            )
        for stage in chosen.stages if chosen else ():
            if stage.streamed_bytes:
                rate = self.setting.device(stage.device).stream_bytes_per_second
                yield (
                    f"{stage.device}: {size_text(stage.streamed_bytes)} of weights do not fit its"
                    " accelerator's memory and travel there for each frame, in"
                    f" {seconds_text(stage.streamed_bytes / rate)}"
                )
        if self.answer.split and not self.answer.finalists:
            yield (
                "splits are judged by sums of their operators, though a cut ends what a runtime"
                " fuses: --measure measures the five best as segments"
            )
        yield from finalists_view.notes(self.measured.outcome)
        if chosen and len(chosen.groups) < len(chosen.stages):
            yield "which devices share a stage is found one at a time: nothing is proven of that"

    def show(self, console: Console) -> None:
        """Print it."""
        setting, answer = self.setting, self.answer
        console.print(f"verdict: {answer.verdict}", style="bold")
        for name, found in (
            ("best single device", answer.single),
            ("replicas of the whole", answer.replicas),
            ("best split", answer.split),
        ):
            mark = "▸" if found is not None and found == answer.chosen else " "
            console.print(f"{mark} {name}: {self._worth(found)}", soft_wrap=True)
        console.print()
        if answer.chosen:
            console.print(_table(setting, answer.chosen))
            _measures(console, setting, answer.chosen)
        if answer.finalists:
            console.print()
            money = problems.currency(setting)
            console.print(finalists_view.table(setting, answer, money))
        if answer.shortage:
            self._shortage(console)
        if self.explanation:
            console.print()
            for words in self._words():
                console.print(one_line(words))
        console.print()
        for note in self.notes():
            console.print(f"note: {one_line(note)}", style="dim")
        console.print(f"{self._effort()} in {seconds_text(self.planning_seconds)}", style="dim")
        if lines := self.commands():
            console.print("\nNext:")
            for line in lines:
                console.print(f"  {one_line(line)}", soft_wrap=True)
            console.print(
                f"or deploy what --json > plan.json kept: paceline deploy {PARTS} --plan plan.json;"
                " bench pipeline then shows predicted beside measured",
                style="dim",
            )

    def _words(self) -> Iterator[str]:
        if self.explanation:
            money = problems.currency(self.setting)
            yield from finalists_view.sentences(self.setting, self.answer, money)
            yield from sentences(self.setting, self.answer, self.explanation)

    def _worth(self, found: Candidate | None) -> str:
        if found is None:
            alone = len(self.setting.devices) == 1
            return "there is one device" if alone and self.answer.chosen else "none that fits"
        goal = self.answer.goal
        if goal == "throughput":
            rate = f"{1 / found.period_seconds:.4g} frames/s"
            worth = f"{rate}, {seconds_text(found.period_seconds)} for each"
        elif goal == "latency":
            worth = f"{seconds_text(found.latency_seconds)} from source to sink"
        elif goal == "energy":
            worth = f"{found.joules:.3g} J a frame"
        else:
            million = (found.cost or 0.0) * 1e6
            worth = f"{million:.3g} {problems.currency(self.setting)} a million frames"
        return f"{worth} ({one_line(found.to)})"

    def _shortage(self, console: Console) -> None:
        found = self.answer.shortage
        assert found is not None, "it is asked for first"
        for reason in found.reasons:
            console.print(one_line(reason))
        needed = size_text(found.needed_bytes)
        console.print(
            f"one device for all of it would need {needed} beside its runtime and {WINDOW} frames"
            " in flight; there is:"
        )
        for device in self.setting.devices:
            left = found.available_bytes.get(device.id)
            has = "no limit" if left is None else size_text(left)
            console.print(f"  {one_line(device.id)}: {has}{_of_memory(device, left)}")
        if found.nearest_change:
            console.print(one_line(f"nearest change: {found.nearest_change}"))

    def _effort(self) -> str:
        chain, answer = self.setting.chain, self.answer
        devices = counted(len(self.setting.devices), "device")
        size = f"{counted(len(chain.blocks), 'block')}, {devices}, cuts: {chain.cut_space}"
        if answer.optimal:
            return f"{size}; proven for one device a stage, planned"
        if answer.gap is None:
            return f"{size}; the best that was found, nothing proven, planned"
        return f"{size}; at most {answer.gap:.1%} from the best, planned"


def _of_memory(device: DeviceFigures, left: int | None) -> str:
    """Return what else takes a device's memory; empty: nobody knows how much it has."""
    if device.memory.value is None or left is None:
        return ""
    rest = max(0.0, device.memory.value - device.runtime_bytes - left)
    also = f", frames in flight and storage {size_text(rest)}" if rest >= 1 else ""
    runtime = size_text(device.runtime_bytes)
    return f" left of {size_text(device.memory.value)}: the runtime takes {runtime}{also}"


def _unit(setting: Setting, goal: str) -> str:
    if goal == "cost":
        return f"{problems.currency(setting)}/frame"
    return "joules/frame" if goal == "energy" else "seconds"


def _table(setting: Setting, chosen: Candidate) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for title in ("blocks", "work", "memory", "carries", "time", "busy"):
        table.add_column(title, justify="right")
    table.add_column("known")

    def busy(seconds: float) -> str:
        return f"{seconds / chosen.period_seconds:.0%}"

    def add_hops(hops: Sequence[HopFigures]) -> None:
        for hop in hops:
            codec = "" if hop.codec == "raw" else f" {hop.codec}"
            table.add_row(
                f"  {one_line(f'{hop.source} → {hop.target}')}",
                *("", "", ""),
                f"{size_text(hop.raw_bytes)}{codec}",
                seconds_text(hop.latency_seconds + hop.transfer_seconds),
                busy(hop.busy_seconds),
                setting.link(hop.source, hop.target).rate.origin,
            )

    for place, group in enumerate(chosen.groups):
        add_hops([hop for hop in chosen.hops if hop.into == place])
        for stage in chosen.stages:
            if stage.device in group.devices:
                share = f" × {stage.share:.0%}" if stage.share < 1 else ""
                table.add_row(
                    one_line(f"{stage.device}{share}"),
                    f"{stage.first}-{stage.last}",
                    work_text(stage.multiply_accumulates),
                    size_text(stage.memory_bytes),
                    "",
                    seconds_text(stage.seconds),
                    busy(stage.busy_seconds),
                    setting.device(stage.device).seconds_origin,
                )
    add_hops([hop for hop in chosen.hops if hop.into == len(chosen.groups)])
    return table


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
