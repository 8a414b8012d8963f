"""Accelerators that segments lost: looked for, told to the fleet, and used again.

When is decided by `agent.recovery`; a look proves the runtime in a child process, so a library that
crashes costs nothing. What the kernel does not list is not looked at.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable
from typing import Final, Protocol

import structlog

from agent import coral
from agent.supervisor import self_knowledge
from agent.supervisor.accelerator_use import LOST, AcceleratorUse
from wire.messages import RuntimeInfo

log = structlog.get_logger()

LISTS: Final = {"tflite_edgetpu": lambda: coral.accelerators(coral.sysfs())}
"""What the kernel lists, for the runtimes whose accelerators it does."""
TURNS: Final = 4
"""How often in the time between two looks the kernel's lists are read."""


class Segment(Protocol):
    """An assignment that serves on an accelerator, or should."""

    accelerator: AcceleratorUse

    async def use_accelerator(self) -> None:
        """Have its worker use what was asked for again."""
        ...


class Accelerators:
    """Looks for what was lost.

    Args:
        look_seconds: How long between two looks, at least.
        serving: Returns the segments that have a worker.
        proved: Is told what a look showed.
    """

    def __init__(
        self,
        look_seconds: float,
        serving: Callable[[], Iterable[Segment]],
        proved: Callable[[tuple[RuntimeInfo, ...]], None],
    ) -> None:
        self._turn_seconds = min(1.0, look_seconds / TURNS)
        self._serving = serving
        self._proved = proved

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(self._turn_seconds)
            segments = list(self._serving())
            held = {one.accelerator.held for one in segments} - {None}
            for name in sorted({s.accelerator.name for s in segments if s.accelerator.fallen_back}):
                same = [s for s in segments if s.accelerator.name == name]
                await self._look(name, [s for s in same if s.accelerator.fallen_back], held)

    async def _look(
        self,
        name: tuple[str, str],
        segments: Collection[Segment],
        held: Collection[tuple[str, str] | None],
    ) -> None:
        """Look at one accelerator, if it is time, and have it used, if it is time for that."""
        runtime, accelerator = name
        listed = _listed(runtime, accelerator)
        uses = [segment.accelerator for segment in segments]
        if listed is False:
            for use in uses:
                use.recovery = use.recovery.unlisted()
            return
        now = time.monotonic()
        if _taken(name, held) or not any(
            use.recovery.wants_look(now, listed=listed) for use in uses
        ):
            return
        found = await self_knowledge.proved_again(runtime, accelerator)
        self._proved(found)
        works = any(one.proved for one in found)
        log.info("accelerator.looked_at", runtime=runtime, accelerator=accelerator, works=works)
        for segment in segments:
            use = segment.accelerator
            if not use.fallen_back:
                continue  # it was told to go, or lost its worker, meanwhile
            use.recovery = use.recovery.looked(time.monotonic(), works=works)
            if use.recovery.ripe():
                await segment.use_accelerator()
                return  # another one would find it taken


def lost(segments: Iterable[Segment]) -> dict[tuple[str, str], str]:
    """Return why accelerators are not to be planned with, by runtime and accelerator."""
    uses = [segment.accelerator for segment in segments]
    return {
        use.name: use.without.message for use in uses if use.without and use.without.code == LOST
    }


def _listed(runtime: str, accelerator: str) -> bool | None:
    """Whether the kernel lists an accelerator, or without a name any; None: it lists no such."""
    if runtime not in LISTS:
        return None
    names = LISTS[runtime]()
    return accelerator in names if accelerator else bool(names)


def _taken(name: tuple[str, str], held: Collection[tuple[str, str] | None]) -> bool:
    """Whether another worker has it open: a look would disturb that one."""
    runtime, accelerator = name
    return any(
        one is not None and one[0] == runtime and accelerator in {"", one[1]} for one in held
    )
