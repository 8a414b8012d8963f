"""The telemetry plane: sampled each second, sent every 5 s.

It is sent every 1 s while someone watches or something is wrong.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Final

from agent.config import Config
from agent.health import Health, as_plain, probes
from agent.supervisor.control import Control
from wire.messages import Health as HealthMessage
from wire.messages import Latency, Reading, Reason, StageLatency

WATCH_SECONDS: Final = 30.0
"""How long a ``watch`` command holds."""


class Telemetry:
    """Samples and sends.

    Args:
        config: The agent's configuration.
        control: Carries it.
        stages: Returns the counts of each serving worker.
        problems: Returns what is wrong with the device.
    """

    def __init__(
        self,
        config: Config,
        control: Control,
        stages: Callable[[], Iterable[StageLatency]],
        problems: Callable[[], tuple[Reason, ...]],
    ) -> None:
        self._config = config.telemetry
        self._device = config.device
        self._control = control
        self._stages = stages
        self._problems = problems
        self._health = Health(probes(config.state_folder))
        self._watched_until = 0.0

    def watch(self) -> None:
        """Someone watches: send every sample for a while."""
        self._watched_until = time.monotonic() + WATCH_SECONDS

    async def run(self) -> None:
        """Sample and send until cancelled."""
        sent_at = 0.0
        while True:
            self._health.sample()
            problems = self._problems()
            now = time.monotonic()
            urgent = bool(problems) or now < self._watched_until
            if urgent or now - sent_at >= self._config.send_seconds - 0.01:
                self._send(problems)
                sent_at = now
            await asyncio.sleep(self._config.sample_seconds)

    def _send(self, problems: tuple[Reason, ...]) -> None:
        readings = tuple(Reading(**as_plain(reading)) for reading in self._health.report())
        if not self._control.up:
            return
        session, now = self._control.session_number, time.time_ns()
        self._control.say_telemetry(
            "health",
            HealthMessage(
                device=self._device,
                session=session,
                sent_unix_ns=now,
                healthy=not problems,
                readings=readings,
                problems=problems,
            ),
        )
        stages = tuple(self._stages())
        if stages:
            latency = Latency(device=self._device, session=session, sent_unix_ns=now, stages=stages)
            self._control.say_telemetry("latency", latency)
