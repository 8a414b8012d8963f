"""One profile: fetch the segment as an assignment's is, and measure it in a child as in service."""

import asyncio
import dataclasses
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from agent.artifacts.fetch import Fetcher, Patience
from agent.supervisor.child_report import child_report
from agent.supervisor.means import Means
from wire import plugins
from wire.errors import UnknownPluginError
from wire.measuring import ProfileOrder, Progress
from wire.profile_report import ProfileReport

PACKAGE: Final = "agent.runtimes"
GRACE_SECONDS: Final = 120.0
"""For loading the model three times, beside its runs."""
SLOWER: Final = 3.0
"""Runs may take so many times what was asked: each part runs a few times at least."""


PATIENCE: Final = Patience(attempts=4)
"""Somebody waits for the answer, and serves the segment meanwhile: it is there at once, or not."""


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
    return replace(
        report,
        load=replace(report.load, serving=max(serving, means.serving())),
        memory_limit_bytes=means.config.limits.worker_memory_bytes,
        storage_bytes=await asyncio.to_thread(means.fetcher.store.free_bytes),
    )


def _fetched(
    order: ProfileOrder,
    fetcher: Fetcher,
    cancel: threading.Event,
    progress: Callable[[Progress], None],
) -> Path:
    return dataclasses.replace(fetcher, patience=PATIENCE).obtain(
        order.segment,
        order.files,
        cancel=cancel,
        progress=lambda done, total: progress(
            Progress(step="fetching", done_bytes=done, total_bytes=total)
        ),
    )
