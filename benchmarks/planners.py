"""Placement policies beside each other, on random clusters that all of them can be tried on.

    uv run python benchmarks/planners.py [--clusters 200] [--judge objective|simulator]
        [--markdown docs/tables/planners.md]

Each cluster has 4 to 8 devices of four kinds, some of them alike, with little memory or enough, on
links of three kinds, and a chain of 40 to 120 operators. Every policy's stages are judged by one
function, the planner's objective or the simulator, and compared with those of `exact` by ratio.
Seeds are fixed, so that only times change from run to run; processor time is what is told, since
machines are shared.
"""

import argparse
import datetime
import math
import os
import platform
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fleet.planner.objective import judge
from fleet.planner.plan import Stage
from fleet.planner.planning import DEFAULT_POLICY, POLICIES, load
from fleet.planner.problem import Device, Goal, Link, Op, Problem
from fleet.simulator.judge import simulated
from wire import plugins

GOALS: tuple[Goal, ...] = ("throughput", "latency")
KINDS = {"pi": 1.0, "old pi": 2.5, "jetson": 0.3, "x86": 0.15}
"""How long each takes for what a Raspberry Pi does in a second."""
LINKS = {"wire": (0.0004, 110e6), "slow wire": (0.0008, 11e6), "radio": (0.004, 3e6)}
"""Latency in seconds, bytes per second."""

INTRODUCTION = """# Placement policies beside each other

Made on {today} by `python benchmarks/planners.py --judge {judge} --markdown {file}` on {cores} cores, Python {python}.

{clusters} random clusters of 4 to 8 devices, chains of 40 to 120 operators; in half of them frames come from the first
device and results go back to it, in half some pairs of devices have a slower way than their network cards. Ratio: the
policy's objective by that of `exact`, where the policy finds a plan; planning in processor time. Judged by {words}.

"""  # noqa: E501


Judge = Callable[[Problem, Sequence[Stage], Goal], float]
"""Returns what a policy's stages are worth, in seconds."""


def objective(problem: Problem, stages: Sequence[Stage], goal: Goal) -> float:
    """Return what the planner's objective says."""
    return judge(problem, stages, goal).objective_seconds


JUDGES: dict[str, tuple[Judge, str]] = {
    "objective": (
        objective,
        "the planner's objective ([planner.md](../planner.md)), in which nothing waits",
    ),
    "simulator": (
        simulated,
        "the simulator ([planner.md](../planner.md#simulating)): frames wait, and credit runs out",
    ),
}


@dataclass
class Record:
    """What a policy did on all clusters, for one goal."""

    ratios: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    best: int = 0


def cluster(seed: int) -> Problem:
    """Return a random cluster."""
    r = random.Random(seed)
    kinds = [r.choice(list(KINDS)) for _ in range(r.randint(4, 8))]
    ids = [f"{kind.replace(' ', '-')}-{number}" for number, kind in enumerate(kinds)]
    times = {kind: speed * r.uniform(0.8, 1.25) for kind, speed in KINDS.items()}
    own = {id_: r.choice([1.0, 1.0, r.uniform(0.9, 1.1)]) for id_ in ids}
    ops = []
    for index in range(r.randint(40, 120)):
        base = 10 ** r.uniform(-4, -1.7)
        fit = {kind: r.uniform(0.7, 1.4) for kind in KINDS}  # kernels are not equally good
        ops.append(
            Op(
                name=f"op{index}",
                seconds={
                    id_: base * times[kind] * fit[kind] * own[id_]
                    for id_, kind in zip(ids, kinds, strict=True)
                },
                weight_bytes=int(10 ** r.uniform(3, 6.5)),
                activation_bytes=int(10 ** r.uniform(4, 6.5)),
                out_bytes=int(10 ** r.uniform(4, 6.3)),
            )
        )
    total = sum(op.weight_bytes for op in ops)
    room = r.choice([(0.2, 0.6), (0.5, 1.5), (1.5, 3.0)])
    memory = {kind: int(total * r.uniform(*room)) + 4 * 10**6 for kind in KINDS}
    attached = {id_: r.choice(list(LINKS)) for id_ in ids}
    end = r.choice([None, ids[0]])
    far = r.choice([(1.0,), (1.0, 1.0, 0.2)])  # some pairs have a slower way than their cards
    return Problem(
        ops=tuple(ops),
        devices=tuple(
            Device(id=id_, memory_bytes=memory[kind]) for id_, kind in zip(ids, kinds, strict=True)
        ),
        links=tuple(
            Link(
                from_=a,
                to=b,
                latency_seconds=LINKS[attached[a]][0] + LINKS[attached[b]][0],
                bytes_per_second=min(LINKS[attached[a]][1], LINKS[attached[b]][1]) * r.choice(far),
            )
            for a in ids
            for b in ids
            if a != b
        ),
        source=end,
        sink=end,
        input_bytes=602_112,
        output_bytes=4_000,
    )


def compare(clusters: int, judged: Judge) -> dict[tuple[str, Goal], Record]:
    """Return what each policy did, for clusters on which anything fits."""
    names = [DEFAULT_POLICY, *(n for n in plugins.names(POLICIES) if n != DEFAULT_POLICY)]
    records = {(name, goal): Record() for name in names for goal in GOALS}
    seed = found = 0
    while found < clusters:
        problem = cluster(seed)
        seed += 1
        if not load(DEFAULT_POLICY).place(problem, "latency").stages:
            continue
        found += 1
        for goal in GOALS:
            best = math.nan
            for name in names:
                record = records[name, goal]
                began = time.process_time()
                stages = load(name).place(problem, goal).stages
                record.seconds.append(time.process_time() - began)
                if not stages:
                    continue
                value = judged(problem, stages, goal)
                best = value if name == DEFAULT_POLICY else best
                record.ratios.append(value / best)
                record.best += value <= best * (1 + 1e-9)
    return records


def table(records: dict[tuple[str, Goal], Record], clusters: int) -> Iterator[str]:
    """Yield the lines of a table for each goal."""
    for goal in GOALS:
        yield f"## {goal}"
        yield ""
        yield (
            "| policy | finds a plan | as good as the best | ratio: median | 90 % | worst"
            " | planning: median ms | worst ms |"
        )
        yield "|---|---|---|---|---|---|---|---|"
        for (name, its_goal), record in records.items():
            if its_goal != goal:
                continue
            ratios = sorted(record.ratios)
            ninety = ratios[math.ceil(0.9 * len(ratios)) - 1]
            yield (
                f"| {name} | {len(ratios)} of {clusters} | {record.best}"
                f" | {statistics.median(ratios):.3f} | {ninety:.3f} | {ratios[-1]:.3f}"
                f" | {1000 * statistics.median(record.seconds):.1f}"
                f" | {1000 * max(record.seconds):.1f} |"
            )
        yield ""


def main() -> None:
    """Compare, and print or write the tables."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--clusters", type=int, default=200)
    options.add_argument("--judge", choices=JUDGES, default="objective")
    options.add_argument("--markdown", type=Path)
    given = options.parse_args()
    judged, words = JUDGES[given.judge]
    lines = list(table(compare(given.clusters, judged), given.clusters))
    today = datetime.datetime.now(datetime.UTC).date()
    text = INTRODUCTION.format(
        today=today,
        cores=os.cpu_count(),
        python=platform.python_version(),
        clusters=given.clusters,
        judge=given.judge,
        words=words,
        file=given.markdown or "FILE",
    ) + "\n".join(lines)
    if given.markdown:
        given.markdown.write_text(text, encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
