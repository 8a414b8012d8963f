"""The telemetry plane: sampled each second, sent every 5 s.

It is sent every 1 s while someone watches or the device is not healthy. A warning alone does not
make it so. What is sent was sampled up to a second before.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import structlog

from agent import probes
from agent.config import Config
from agent.health import collector, problems
from agent.health.sampling import Sampling
from agent.health.series import most_important
from agent.probes import Worker
from agent.supervisor.control import Control
from wire.messages import Reason
from wire.telemetry import Health as HealthMessage
from wire.telemetry import Latency, Problem, Reading, StageLatency

WATCH_SECONDS: Final = 30.0
"""How long a ``watch`` command holds."""
MAX_PROBLEMS: Final = 16
"""In one message; the first ones."""
MAX_SENTENCE_LENGTH: Final = 300
"""Of one problem in it."""

log = structlog.get_logger()


class Telemetry:
    """Samples and sends.

    Args:
        config: The agent's configuration.
        control: Carries it.
        stages: Returns the counts of each serving worker.
        workers: Returns the worker processes that there are.
        troubles: Returns what is wrong with the assignments and orders.
        warnings: Returns what is not as it was asked to be, and works.
        counters: Returns what the supervisor itself has counted.
    """

    def __init__(
        self,
        config: Config,
        control: Control,
        *,
        stages: Callable[[], Iterable[StageLatency]],
        workers: Callable[[], Iterable[Worker]],
        troubles: Callable[[], tuple[Reason, ...]],
        warnings: Callable[[], tuple[Reason, ...]] = tuple,
        counters: Callable[[], Iterable[probes.Reading]] = tuple,
    ) -> None:
        self._config = config.telemetry
        self._device = config.device
        self._control = control
        self._stages = stages
        self._workers = workers
        self._troubles = troubles
        self._warnings = warnings
        self._present: tuple[Worker, ...] = ()
        self._health = collector.Health(collector.probes(self._given(config.state_folder)))
        self._sampling = Sampling(self._health)
        self._standing: dict[str, problems.Standing] = {}
        self._troubled_since: dict[Reason, int] = {}
        self._counters = counters
        self._watched_until = 0.0

    def watch(self) -> None:
        """Someone watches: send every sample for a while."""
        self._watched_until = time.monotonic() + WATCH_SECONDS

    async def run(self) -> None:
        """Sample and send until cancelled."""
        sent_at = time.monotonic() - self._config.send_seconds
        try:
            while True:
                self._present = tuple(self._workers())
                self._sampling.tick()
                await asyncio.sleep(self._config.sample_seconds)
                told = self._problems()
                now = time.monotonic()
                urgent = not _healthy(told) or now < self._watched_until
                if urgent or now - sent_at >= self._config.send_seconds - 0.01:
                    self._send(told)
                    sent_at = now
        finally:
            self._sampling.stop()

    def _given(self, state_folder: Path) -> dict[str, object]:
        # probes are read in another thread: they get what was there at the last tick
        return {"state_folder": state_folder, "workers": lambda: self._present}

    def _problems(self) -> tuple[Problem, ...]:
        """Return what is wrong now, since when; what begins and ends is logged."""
        unix_ns = time.time_ns()
        before = self._standing
        self._standing = problems.standing(
            before,
            problems.found(self._health.current()),
            clock_seconds=time.monotonic(),
            unix_ns=unix_ns,
        )
        for code in self._standing.keys() - before.keys():
            finding = self._standing[code].finding
            log.warning("problem.found", code=code, problem=finding.message)
        for code in before.keys() - self._standing.keys():
            log.info("problem.ended", code=code)
        troubles, warnings = self._troubles(), self._warnings()
        self._troubled_since = {
            trouble: self._troubled_since.get(trouble, unix_ns) for trouble in troubles + warnings
        }
        told = [
            _problem(trouble, since, "error" if trouble in troubles else "warning")
            for trouble, since in self._troubled_since.items()
        ]
        told += [
            _problem(problem.finding, problem.since_unix_ns, problem.finding.severity)
            for problem in self._standing.values()
        ]
        return tuple(told)

    def _send(self, told: tuple[Problem, ...]) -> None:
        found = (*self._health.report(), *self._counters())
        if not self._control.up:
            return
        session, now = self._control.session_number, time.time_ns()
        self._control.say_telemetry(
            "health",
            health_message(found, told, device=self._device, session=session, unix_ns=now),
        )
        stages = tuple(self._stages())
        if stages:
            latency = Latency(device=self._device, session=session, sent_unix_ns=now, stages=stages)
            self._control.say_telemetry("latency", latency)


def health_message(
    found: Sequence[probes.Reading],
    told: Sequence[Problem],
    *,
    device: str,
    session: int,
    unix_ns: int,
) -> HealthMessage:
    """Return the message for ``tele/health``, which always fits its topic."""
    kept = most_important(found)
    return HealthMessage(
        device=device,
        session=session,
        sent_unix_ns=unix_ns,
        healthy=_healthy(told),
        readings=tuple(
            Reading(name=each.name, value=each.value, labels=dict(each.labels)) for each in kept
        ),
        problems=tuple(told[:MAX_PROBLEMS]),
        dropped_readings=len(found) - len(kept),
    )


def _healthy(told: Sequence[Problem]) -> bool:
    return not any(problem.severity == "error" for problem in told)


def _problem(
    said: Reason | problems.Finding, since_unix_ns: int, severity: problems.Severity = "error"
) -> Problem:
    sentence = said.message[:MAX_SENTENCE_LENGTH]
    return Problem(
        code=said.code,
        message="".join(c if c.isprintable() else " " for c in sentence),
        severity=severity,
        since_unix_ns=since_unix_ns,
    )
