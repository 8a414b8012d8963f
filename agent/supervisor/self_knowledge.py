"""What a device tells of itself: its runtimes, proved by real inferences in a child process."""

import os
import platform
from importlib.metadata import version
from typing import Final

import psutil
import structlog

from agent.config import Config
from agent.memory_limit import Mechanism
from agent.supervisor import commands
from agent.supervisor.child_report import ChildReportError, child_report
from agent.supervisor.means import threads_of
from wire import codec_names, link_names, plugins
from wire.messages import Info, RuntimeInfo
from wire.reports import ProbeReport

log = structlog.get_logger()

PROBE_SECONDS: Final = 60.0


async def proved_runtimes() -> tuple[RuntimeInfo, ...]:
    """Return every runtime with what its proof came to; a crash of the child is a finding."""
    names = plugins.names("agent.runtimes")
    try:
        return await _probe()
    except ChildReportError as error:
        log.warning("probe.failed", reason=str(error))
    # one of them ends the process: ask for each alone to know which
    found: list[RuntimeInfo] = []
    for name in names:
        try:
            found += await _probe("--runtime", name)
        except ChildReportError as error:
            found.append(RuntimeInfo(runtime=name, reason=str(error)))
    return tuple(found)


async def proved_again(runtime: str, accelerator: str) -> tuple[RuntimeInfo, ...]:
    """Return one runtime, with what its proof on one accelerator comes to now.

    Args:
        runtime: Its name.
        accelerator: As ``RuntimeInfo.accelerator``; empty: each that it finds.
    """
    only = ("--accelerator", accelerator) if accelerator else ()
    try:
        return await _probe("--runtime", runtime, *only)
    except ChildReportError as error:
        name = accelerator or "none"
        return (RuntimeInfo(runtime=runtime, accelerator=name, reason=str(error)),)


async def _probe(*options: str) -> tuple[RuntimeInfo, ...]:
    report = await child_report(
        *("probe", "--json", *options), kind=ProbeReport, limit_seconds=PROBE_SECONDS
    )
    return tuple(
        RuntimeInfo(
            runtime=found.name,
            accelerator=found.accelerator or "none",
            version=found.version,
            memory_bytes=found.memory_bytes,
            proved=found.works,
            reason=found.reason,
            formats=found.formats,
            fallback=found.fallback,
        )
        for found in report.runtimes
    )


def info(
    config: Config,
    runtimes: tuple[RuntimeInfo, ...],
    mechanism: Mechanism,
    certificate: str = "",
) -> Info:
    """Return the message for ``info``."""
    return Info(
        device=config.device,
        version=version("paceline"),
        runtimes=runtimes,
        machine=platform.machine(),
        python=platform.python_version(),
        system=platform.platform(),
        cpu_count=len(os.sched_getaffinity(0)),
        memory_bytes=psutil.virtual_memory().total,
        memory_limit=mechanism.value,
        links=link_names.names(),
        codecs=codec_names.names(),
        inbox_frames=config.limits.inbox_frames,
        inbox_bytes=config.limits.inbox_bytes,
        insecure=config.insecure,
        certificate=certificate,
        threads=threads_of(config),
        weights=config.runtime.weights,
        commands=commands.KNOWN,
        replicas=True,
        artifacts_origin=config.artifacts.origin,
    )
