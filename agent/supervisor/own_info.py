"""What this device is, proved at the start and said again whenever its runtimes change."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import structlog
from msgspec.structs import replace

from agent.config import Config
from agent.memory_limit import Mechanism
from agent.recovery import proved_anew, without_lost
from agent.supervisor import self_knowledge
from wire.messages import Info, RuntimeInfo

log = structlog.get_logger()

PROVE_AGAIN_SECONDS: Final = 30.0
"""So long after what the device is could not be told, it is looked at again."""


class OwnInfo:
    """The message for ``info``, as it is now.

    Args:
        config: The agent's configuration.
        mechanism: What holds workers to their memory.
        certificate: What its direct links show off this host.
        lost: Returns why accelerators are not to be planned with, by runtime and accelerator.
        say: Says it to the fleet, as far as there is a broker.
    """

    def __init__(
        self,
        config: Config,
        mechanism: Mechanism,
        certificate: str,
        *,
        lost: Callable[[], Mapping[tuple[str, str], str]],
        say: Callable[[Info], None],
    ) -> None:
        self._config = config
        self._mechanism = mechanism
        self._certificate = certificate
        self._lost = lost
        self._say = say
        self._proved: tuple[RuntimeInfo, ...] = ()
        """As their proofs showed them."""
        self._info: Info | None = None

    async def prove(self) -> None:
        """Prove the runtimes, and say what the device is for the first time."""
        told = None
        while told is None:
            self._proved = await self_knowledge.proved_runtimes()
            try:
                told = self_knowledge.info(self._config, (), self._mechanism, self._certificate)
            except OSError as error:  # such as too many open files
                log.warning("info.not_made", reason=str(error))
                await asyncio.sleep(PROVE_AGAIN_SECONDS)
        self._info = replace(told, runtimes=self._usable())
        self._say(self._info)

    def proved_anew(self, found: tuple[RuntimeInfo, ...]) -> None:
        """Take newer proofs of some runtimes."""
        self._proved = proved_anew(self._proved, found)
        self.say_news()

    def say_news(self) -> None:
        """Say it when a runtime can no longer be used, or can again."""
        runtimes = self._usable()
        if self._info is not None and runtimes != self._info.runtimes:
            self._info = replace(self._info, runtimes=runtimes)
            self._say(self._info)

    def say_again(self) -> None:
        """Say it to a broker that may not know it, once it is known."""
        if self._info is not None:
            self._say(self._info)

    def _usable(self) -> tuple[RuntimeInfo, ...]:
        return without_lost(self._proved, self._lost())
