"""A problem as arrays: what a search looks up for every stage and every hop.

Positions count operators from 0 to n: at position p the first p have run. A stage of device type t
from p to q takes ``prefix[t, q] - prefix[t, p]``, and fits when ``first_fit[t, q] <= p < q``, since
what fits still fits when operators in front are left out.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fleet.planner.device_types import Types
from fleet.planner.plan import Stage
from fleet.planner.problem import Problem

Floats = NDArray[np.float64]
Ints = NDArray[np.signedinteger[Any]]
Walk = tuple[tuple[int, int, int], ...]
"""Stages as a search has them: device type, first position, end position."""


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """A problem's times by device type and position; nothing writes to it."""

    types: Types
    prefix: Floats
    """[types, n + 1]: seconds of the first p operators; those that it cannot run count 0."""
    first_fit: Ints
    """[types, n + 1]: where a stage that ends at q may begin; q where none may end there."""
    transfer: Floats
    """[types, types, n + 1]: how long a cut at p keeps the link busy; infinite without a link."""
    latency: Floats
    """[types, types]: what else a hop takes."""
    entry_transfer: Floats
    """[types]: from the source."""
    entry_latency: Floats
    exit_transfer: Floats
    """[types]: to the sink."""
    exit_latency: Floats

    @property
    def ops(self) -> int:
        """Return n."""
        return int(self.prefix.shape[1]) - 1

    def stages(self, walk: Walk) -> tuple[Stage, ...]:
        """Return a walk as stages; of each type the first devices are taken first."""
        left = [list(members) for members in self.types]
        return tuple(Stage(left[kind].pop(0), start, end - 1) for kind, start, end in walk)

    def walk(self, stages: Sequence[Stage]) -> Walk:
        """Return stages as a walk."""
        kind = {id_: kind for kind, members in enumerate(self.types) for id_ in members}
        return tuple((kind[stage.device], stage.first, stage.last + 1) for stage in stages)


def tables(problem: Problem, types: Types) -> Tables:
    """Return the problem's times as arrays."""
    heads = [members[0] for members in types]
    seconds = np.array([[op.seconds.get(head, 0.0) for op in problem.ops] for head in heads])
    prefix = np.concatenate([np.zeros((len(heads), 1)), np.cumsum(seconds, axis=1)], axis=1)
    sizes = np.array([0, *(float(op.out_bytes) for op in problem.ops)])
    transfer = np.full((len(heads), len(heads), len(sizes)), np.inf)
    latency = np.zeros((len(heads), len(heads)))
    for here, members in enumerate(types):
        for there, others in enumerate(types):
            ends = (members[0], others[0] if here != there else members[-1])
            if link := problem.link.get(ends):
                transfer[here, there] = sizes / link.bytes_per_second
                latency[here, there] = link.latency_seconds
    entry = np.array([_hop(problem, problem.source, head, problem.input_bytes) for head in heads])
    leave = np.array([_hop(problem, head, problem.sink, problem.output_bytes) for head in heads])
    return Tables(
        types=types,
        prefix=prefix,
        first_fit=np.array([_first_fit(problem, head) for head in heads]),
        transfer=transfer,
        latency=latency,
        entry_transfer=entry[:, 0],
        entry_latency=entry[:, 1],
        exit_transfer=leave[:, 0],
        exit_latency=leave[:, 1],
    )


def _hop(problem: Problem, a: str | None, b: str | None, size_bytes: int) -> tuple[float, float]:
    if a is None or b is None or a == b:
        return 0.0, 0.0
    link = problem.link.get((a, b))
    return (link.transfer_seconds(size_bytes), link.latency_seconds) if link else (np.inf, 0.0)


def _first_fit(problem: Problem, device: str) -> Sequence[int]:
    """Return, for each end of a stage on the device, the first position that it may begin at."""
    limit = problem.device[device].memory_bytes
    most = float("inf") if limit is None else limit
    stored = problem.device[device].storage_bytes
    most_stored = float("inf") if stored is None else stored
    first = weights = 0
    peaks: deque[int] = deque()  # operators whose activation is above that of all behind them
    fits = [0]
    for index, op in enumerate(problem.ops):
        weights += op.weight_bytes
        while peaks and problem.ops[peaks[-1]].activation_bytes <= op.activation_bytes:
            peaks.pop()
        peaks.append(index)
        runs = device in op.seconds
        while peaks and (
            not runs
            or weights > most_stored
            or weights + problem.ops[peaks[0]].activation_bytes > most
        ):
            weights -= problem.ops[first].weight_bytes
            first += 1
            if peaks[0] < first:
                peaks.popleft()
        fits.append(first)
    return fits
