"""``bench --profile``: what a segment or model takes on this machine, with its spread.

The whole is timed without profiling, as it is served; then each kernel as the runtime runs it, and
each operator as the file has it. Sums of operators mislead: a runtime fuses them.
"""

import os
import platform
import resource
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from agent import cpu_limit, memory_limit
from agent.errors import ChildFileError, OutOfMemoryError
from agent.handling import handling_seconds
from agent.opening import checked_model
from agent.others import Others
from agent.power import Power
from agent.runtimes import OperatorTimes, Runtime, RuntimeOptions, Tensors
from agent.worker import data_limit
from wire import codecs, frame, golden, plugins
from wire.allocator import give_back
from wire.errors import FrameError
from wire.frame import Frame, Kind
from wire.profile_report import Load, MemoryUse, OperatorTime, ProfileReport, Spread
from wire.statistics import median_within, quantile

WITHIN: Final = 0.03
"""How well the median must be known before its measurement ends."""
LOOK_RUNS: Final = 10
MOST_RUNS: Final = 5000
LEAST_RUNS: Final = 3
LEAST_SECONDS: Final = 1.0
"""Or a third of the time: what disturbs a machine comes and goes more slowly than runs do."""
MOST_PROFILED_RUNS: Final = 50
"""Each writes a line for each operator to a file."""
SHARES: Final = (0.6, 0.2, 0.2)
"""Of the time: the whole, its kernels, its operators."""
HANDLING_SHARE: Final = 0.2
"""Beside them, for what a worker does with each frame."""
NAME_BYTES: Final = 80
NICE: Final = 10
"""Below whatever serves, so that a measurement takes only what serving leaves."""


@dataclass(frozen=True, slots=True)
class Profiling:
    """What to measure."""

    segment: Path
    """A segment's folder, or a model's file."""
    runtime: str
    options: RuntimeOptions
    seconds: float
    """How long its runs may take altogether; fewer where the figures are known sooner."""
    memory_bytes: int | None = None
    """What this process may take; None: not limited here."""
    nice: int = NICE
    """Added to this process's."""


def profile(asked: Profiling, inputs: Tensors) -> ProfileReport:
    """Measure, in this process: what it held before counts as the runtime's.

    Raises:
        CodedError: The model is refused, or does not run.
        OutOfMemoryError: It takes more than it may.
    """
    os.nice(asked.nice)
    try:
        return _profiled(asked, inputs)
    except MemoryError as error:
        raise OutOfMemoryError(str(asked.segment), data_limit.reached(error)) from error


def golden_inputs(segment: Path) -> Tensors:
    """Return the inputs of the golden frame in a segment's folder.

    Raises:
        ChildFileError: There is none.
    """
    path = segment / golden.FILE_NAME
    try:
        given, _ = golden.split(frame.decode(path.read_bytes()))
    except (OSError, FrameError) as error:
        raise ChildFileError(str(path), f"is no golden frame ({error})") from error
    return codecs.arrays(Frame(Kind.DATA, 0, 0, tensors=given))


def _profiled(asked: Profiling, inputs: Tensors) -> ProfileReport:
    load_average = os.getloadavg()[0]
    plugin: type[Runtime] = plugins.load("agent.runtimes", asked.runtime)
    with data_limit.held(asked.memory_bytes):
        segment = checked_model(asked.segment)
    found = plugin.detect()  # imports its library
    data_limit.hold(asked.memory_bytes)
    power = Power()
    idle_watts = power.now()
    others = Others()
    base = _private_bytes()
    began = time.perf_counter()
    runtime = plugin.open(segment, asked.options)
    open_seconds = time.perf_counter() - began
    give_back()  # weights as they were before the runtime put them in another order
    loaded = _private_bytes()
    first_run_seconds = _timed(runtime, inputs)
    with power:
        cpu_began = time.process_time()
        seconds = list(_runs(runtime, inputs, asked.seconds * SHARES[0], MOST_RUNS))
        cpu_seconds = time.process_time() - cpu_began
    memory = MemoryUse(
        runtime_bytes=base,
        loaded_bytes=max(0, loaded - base),
        activation_bytes=max(0, _private_bytes() - loaded),
        peak_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10,
    )
    handling = handling_seconds(runtime, inputs, asked.seconds * HANDLING_SHARE)
    runtime.close()
    kernels = _operators(plugin, segment, asked, inputs, optimisations=True)
    operators = _operators(plugin, segment, asked, inputs, optimisations=False)
    return ProfileReport(
        runtime=asked.runtime,
        version=(found[0].version if found else None) or "",
        threads=asked.options.threads,
        weights=asked.options.weights,
        open_seconds=open_seconds,
        first_run_seconds=first_run_seconds,
        run=_spread(seconds),
        cpu_seconds=cpu_seconds / len(seconds),
        handling_cpu_seconds=handling,
        settled=median_within(seconds, WITHIN),
        memory=memory,
        load=Load(others_busy_ratio=others.ratio(), load_average=load_average),
        cpu_count=len(os.sched_getaffinity(0)),
        cpu_limit=cpu_limit.of_this_process(),
        machine=platform.machine(),
        watts=power.mean,
        idle_watts=idle_watts,
        operators=operators,
        kernels=kernels,
    )


def _runs(runtime: Runtime, inputs: Tensors, limit_seconds: float, most: int) -> Iterator[float]:
    """Yield the time of each run until the median is known or time is up."""
    seconds: list[float] = []
    spent = 0.0
    least_seconds = min(LEAST_SECONDS, limit_seconds / 3)
    while len(seconds) < most:
        if len(seconds) >= LEAST_RUNS and spent >= limit_seconds:
            return
        # its rank needs an order: looked for now and then
        looks = spent >= least_seconds and len(seconds) % LOOK_RUNS == 0
        if looks and median_within(seconds, WITHIN):
            return
        seconds.append(_timed(runtime, inputs))
        spent += seconds[-1]
        yield seconds[-1]


def _operators(
    plugin: type[Runtime],
    segment: Path,
    asked: Profiling,
    inputs: Tensors,
    *,
    optimisations: bool,
) -> tuple[OperatorTime, ...]:
    """Return what each operator takes, in a session of its own."""
    options = replace(asked.options, profile=True, optimisations=optimisations)
    runtime = plugin.open(segment, options)
    limit_seconds = asked.seconds * SHARES[1]
    runs = sum(1 for _ in _runs(runtime, inputs, limit_seconds, MOST_PROFILED_RUNS))
    times = runtime.operator_times()
    runtime.close()
    give_back()
    return tuple(_operator(one, runs) for one in times)


def _operator(one: OperatorTimes, runs: int) -> OperatorTime:
    seconds = one.seconds[-runs:] or one.seconds
    p10, p50, p90 = (round(quantile(seconds, share), 8) for share in (0.1, 0.5, 0.9))
    return OperatorTime(
        place=one.place,
        kind=_shortened(one.kind),
        name=_shortened(one.name),
        p10=p10,
        p50=p50,
        p90=p90,
        count=len(seconds),
    )


def _shortened(name: str) -> str:
    """Return a name that is told: printable, of few bytes."""
    printable = "".join(character for character in name if character.isprintable())
    return printable.encode(errors="ignore")[:NAME_BYTES].decode(errors="ignore")


def _timed(runtime: Runtime, inputs: Tensors) -> float:
    began = time.perf_counter()
    runtime.run(inputs)
    return time.perf_counter() - began


def _spread(seconds: Sequence[float]) -> Spread:
    return Spread(
        p10=quantile(seconds, 0.1),
        p50=quantile(seconds, 0.5),
        p90=quantile(seconds, 0.9),
        count=len(seconds),
        mean=statistics.fmean(seconds),
    )


def _private_bytes() -> int:
    return memory_limit.usage(Path("/proc/self/status").read_text()).private_bytes
