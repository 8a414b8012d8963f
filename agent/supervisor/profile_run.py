"""One profile: fetch the segment as an assignment's is, and measure it in a child as in service."""

import asyncio
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from msgspec.structs import replace

from agent.artifacts.fetch import Fetcher
from agent.config import Config
from agent.supervisor.child_report import child_report
from agent.supervisor.memory_limits import MemoryLimits, WorkerMemory
from wire import plugins
from wire.errors import UnknownPluginError
from wire.measuring import ProfileOrder, Progress
from wire.profile_report import ProfileReport

PACKAGE: Final = "agent.runtimes"
GRACE_SECONDS: Final = 120.0
"""For loading the model three times, beside its runs."""
SLOWER: Final = 3.0
"""Runs may take so many times what was asked: each part runs a few times at least."""


@dataclass(frozen=True, slots=True)
class Means:
    """What a measurement needs of the agent."""

    fetcher: Fetcher
    threads: int
    """Of a segment, as in service."""
    weights: str
    memory: Callable[[], WorkerMemory]
    """Makes what holds one child to a worker's memory limit."""
    data_bytes: int | None
    """The RLIMIT_DATA that the child shall give itself."""
    serving: Callable[[], int]
    """Tells how many workers of pipelines run."""

    @classmethod
    def of(
        cls,
        config: Config,
        fetcher: Fetcher,
        memory: MemoryLimits,
        serving: Callable[[], int],
    ) -> Self:
        """Return an agent's: a child is run and held as a worker is."""
        limit_bytes = config.limits.worker_memory_bytes
        return cls(
            fetcher=fetcher,
            threads=threads_of(config),
            weights=config.runtime.weights,
            memory=lambda: memory.worker(limit_bytes),
            data_bytes=memory.data_bytes(limit_bytes),
            serving=serving,
        )


def threads_of(config: Config) -> int:
    """Return how many threads a segment runs with where nothing else is said."""
    return config.runtime.threads or len(os.sched_getaffinity(0))


async def profile_run(
    order: ProfileOrder,
    means: Means,
    scratch: Path,
    cancel: threading.Event,
    progress: Callable[[Progress], None],
) -> ProfileReport:
    """Return what was measured; cancelled, the child is killed and the fetch ends.

    Raises:
        UnknownPluginError: There is no such runtime.
        CodedError: The segment cannot be fetched; see `agent.artifacts.fetch.Fetcher.obtain`.
        ChildReportError: It cannot be measured.
    """
    known = plugins.names(PACKAGE)
    if order.runtime not in known:
        raise UnknownPluginError(PACKAGE, order.runtime, known)
    progress(Progress(step="fetching"))
    folder = await asyncio.to_thread(_fetched, order, means.fetcher, cancel, progress)
    progress(Progress(step="measuring"))
    serving = means.serving()
    report = await child_report(
        *("bench", "--profile", "--segment", str(folder), "--seconds", str(order.seconds)),
        *("--runtime", order.runtime, "--threads", str(means.threads)),
        *("--weights", means.weights, "--parent", str(os.getpid())),
        *(() if means.data_bytes is None else ("--memory-bytes", str(means.data_bytes))),
        kind=ProfileReport,
        limit_seconds=GRACE_SECONDS + SLOWER * order.seconds,
        memory=means.memory(),
        scratch=scratch,
    )
    return replace(report, load=replace(report.load, serving=max(serving, means.serving())))


def _fetched(
    order: ProfileOrder,
    fetcher: Fetcher,
    cancel: threading.Event,
    progress: Callable[[Progress], None],
) -> Path:
    return fetcher.obtain(
        order.segment,
        order.files,
        cancel=cancel,
        progress=lambda done, total: progress(
            Progress(step="fetching", done_bytes=done, total_bytes=total)
        ),
    )
