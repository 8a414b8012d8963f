"""What a measurement needs of the agent: what a worker would have."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from agent.artifacts.fetch import Fetcher
from agent.channel import DirectAccess
from agent.config import Config
from agent.supervisor.memory_limits import MemoryLimits, WorkerMemory


@dataclass(frozen=True, slots=True)
class Means:
    """What a measurement needs of the agent."""

    config: Config
    fetcher: Fetcher
    threads: int
    """Of a segment, as in service."""
    weights: str
    memory: Callable[[], WorkerMemory]
    """Makes what holds one child to a worker's memory limit."""
    data_bytes: int | None
    """The RLIMIT_DATA that the child shall give itself."""
    direct: DirectAccess
    """What a worker's direct links use."""
    serving: Callable[[], int]
    """Tells how many workers of pipelines run."""

    @classmethod
    def of(
        cls,
        config: Config,
        fetcher: Fetcher,
        memory: MemoryLimits,
        direct: DirectAccess,
        serving: Callable[[], int],
    ) -> Self:
        """Return an agent's: a child is run and held as a worker is."""
        limit_bytes = config.limits.worker_memory_bytes
        return cls(
            config=config,
            fetcher=fetcher,
            threads=threads_of(config),
            weights=config.runtime.weights,
            memory=lambda: memory.worker(limit_bytes),
            data_bytes=memory.data_bytes(limit_bytes),
            direct=direct,
            serving=serving,
        )


def threads_of(config: Config) -> int:
    """Return how many threads a segment runs with where nothing else is said."""
    return config.runtime.threads or len(os.sched_getaffinity(0))
