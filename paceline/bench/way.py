"""Where the time of a frame goes: the parts of its waterfall. Pure.

Times inside one stage are of one clock, so their sums are exact whatever the clocks of the machines
say. What is between stages is known hop by hop only where both sides have the same clock; else only
all hops together are: the latency less all that was spent inside.
"""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final

import msgspec

from paceline.answers import Answer
from wire.timings import StageTimes

STEPS: Final = ("queue", "decode", "run", "encode")
"""What happens to a frame inside a stage, in order; it may wait again after its run."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One part of the way of a frame, on average."""

    name: str
    """``credit`` (at the client, before the entry takes it), ``queue``, ``decode``, ``run`` and
    ``encode`` of a stage, ``hop`` into a stage or back to the client, ``hops`` all together."""
    stage: int | None
    """None: the client, or all hops together."""
    seconds: float
    share: float
    """Of the latency."""


class StageLoad(msgspec.Struct, frozen=True, kw_only=True):
    """How busy one stage is."""

    stage: int
    devices: tuple[str, ...]
    """Several are replicas."""
    busy_seconds: float
    """It worked for each frame: decoded, ran and encoded it."""
    utilisation: float
    """Which part of the time it computed, on average of its devices."""


Spent = Mapping[tuple[str, int | None], float]
"""Seconds by name and stage, in the order of the way."""


def spent(answer: Answer, clock: str) -> Spent:
    """Return where one frame's time went.

    Args:
        answer: With a result.
        clock: The client's; see ``wire.clock``.
    """
    sent_ns = answer.sent_ns if answer.sent_ns is not None else answer.submitted_ns
    found: dict[tuple[str, int | None], float] = {}
    found["credit", None] = (sent_ns - answer.submitted_ns) / 1e9
    marks: list[tuple[str, int, int, int | None]] = [(clock, sent_ns, sent_ns, None)]
    inside_ns = 0
    for entry in answer.timings:
        marks.append((entry.clock, entry.received, entry.sent, entry.stage))
        inside_ns += entry.sent - entry.received
    marks.append((clock, answer.answered_ns, answer.answered_ns, None))
    same = len({mark[0] for mark in marks}) == 1
    if not same:
        found["hops", None] = (answer.answered_ns - sent_ns - inside_ns) / 1e9
    for (_, _, left, _), (_, arrived, _, stage) in pairwise(marks):
        if same:
            found["hop", stage] = (arrived - left) / 1e9
        for entry in answer.timings if stage is not None else ():
            if entry.stage == stage:
                waits = entry.started - entry.received + entry.waited
                found["queue", stage] = waits / 1e9
                found["decode", stage] = (entry.run - entry.started) / 1e9
                found["run", stage] = (entry.finished - entry.run) / 1e9
                found["encode", stage] = (entry.sent - entry.finished - entry.waited) / 1e9
    return found


def parts(answers: Sequence[Answer], clock: str) -> tuple[Part, ...]:
    """Return where the time went on average; the parts add up to the mean latency."""
    sums: dict[tuple[str, int | None], float] = defaultdict(float)
    for answer in answers:
        for key, seconds in spent(answer, clock).items():
            sums[key] += seconds
    if not answers:
        return ()
    mean = statistics.fmean(answer.latency_seconds for answer in answers)
    return tuple(
        Part(
            name=name, stage=stage, seconds=total / len(answers), share=total / len(answers) / mean
        )
        for (name, stage), total in sums.items()
    )


def loads(answers: Iterable[Answer], frames_per_second: float) -> tuple[StageLoad, ...]:
    """Return how busy each stage was, in the order of stages; frames of one run share its time."""
    runs: dict[tuple[int, str, int], list[StageTimes]] = defaultdict(list)
    for answer in answers:
        for entry in answer.timings:
            runs[entry.stage, entry.device, entry.run].append(entry)
    busy_ns: dict[int, int] = defaultdict(int)
    frames: dict[int, int] = defaultdict(int)
    devices: dict[int, set[str]] = defaultdict(set)
    for (stage, device, _), shared in runs.items():
        began, ended = min(e.started for e in shared), max(e.sent for e in shared)
        busy_ns[stage] += ended - began - min(e.waited for e in shared)
        frames[stage] += len(shared)
        devices[stage].add(device)
    busy_seconds = {stage: busy_ns[stage] / frames[stage] / 1e9 for stage in sorted(busy_ns)}
    return tuple(
        StageLoad(
            stage=stage,
            devices=tuple(sorted(devices[stage])),
            busy_seconds=seconds,
            utilisation=seconds * frames_per_second / len(devices[stage]),
        )
        for stage, seconds in busy_seconds.items()
    )
