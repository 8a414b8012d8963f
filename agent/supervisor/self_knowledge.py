"""What a device tells of itself: its runtimes, proved by real inferences in a child process."""

import asyncio
import os
import platform
import sys
from importlib.metadata import version
from typing import Final

import msgspec
import psutil
import structlog

from agent.config import Config
from wire import plugins
from wire.messages import Info, RuntimeInfo
from wire.reports import ProbeReport

log = structlog.get_logger()

PROBE_SECONDS: Final = 60.0


async def proved_runtimes() -> tuple[RuntimeInfo, ...]:
    """Return every runtime with what its proof came to; a crash of the child is a finding."""
    names = plugins.names("agent.runtimes")
    try:
        return await _probe()
    except _ProbeError as error:
        log.warning("probe.failed", reason=str(error))
    # one of them ends the process: ask for each alone to know which
    found: list[RuntimeInfo] = []
    for name in names:
        try:
            found += await _probe("--runtime", name)
        except _ProbeError as error:
            found.append(RuntimeInfo(runtime=name, reason=str(error)))
    return tuple(found)


class _ProbeError(Exception):
    """The child gave no report."""


async def _probe(*options: str) -> tuple[RuntimeInfo, ...]:
    try:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-m", "agent", "probe", "--json", *options),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as error:
        raise _ProbeError(f"the probe cannot be started ({error.strerror})") from error
    try:
        output, _ = await asyncio.wait_for(child.communicate(), PROBE_SECONDS)
        report = msgspec.json.decode(output, type=ProbeReport)
    except TimeoutError as error:
        raise _ProbeError(f"the probe took over {PROBE_SECONDS:.0f} s") from error
    except msgspec.DecodeError as error:
        raise _ProbeError(f"the probe ended with status {child.returncode}") from error
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return tuple(
        RuntimeInfo(
            runtime=found.name,
            accelerator=found.accelerator or "none",
            version=found.version,
            memory_bytes=found.memory_bytes,
            proved=found.works,
            reason=found.reason,
        )
        for found in report.runtimes
    )


def info(config: Config, runtimes: tuple[RuntimeInfo, ...]) -> Info:
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
        memory_limit="rlimit_data" if config.limits.worker_memory_bytes else "none",
        links=plugins.names("wire.links"),
        codecs=plugins.names("wire.codecs"),
        inbox_frames=config.limits.inbox_frames,
        inbox_bytes=config.limits.inbox_bytes,
    )
