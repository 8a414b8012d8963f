"""Measure one hop over each of several links, in turn, so that all see the same machine.

Each round visits every link, in the other order each time: first frames one by one, then back to
back. Ratios are of one round to the same round of the first link.
"""

import contextlib
import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from paceline.bench.hop_report import Cpu, HopReport, HopResult, Interval, Latency, Ratio
from paceline.bench.messages import Broker
from paceline.bench.pair import HOP_COMMAND, Measured, Pair, PairOptions
from paceline.demo import broker as demo_broker
from paceline.demo.broker_kinds import MAX_PACKET_BYTES
from wire import link_names
from wire.statistics import median_interval, quantile

PAUSE_SECONDS: Final = 0.004
"""Between frames that travel one by one: each finds the machine at rest."""
WINDOW: Final = 4
"""Frames in flight while they travel back to back."""
ROUNDS: Final = 4
WARM_UP_FRAMES: Final = 16


@dataclass(frozen=True, slots=True)
class HopRequest:
    """What to measure."""

    links: tuple[str, ...]
    size_bytes: int
    frames: int
    """Of each link, one by one; and as many back to back."""
    broker: Broker | None = None
    """None: one is started where a link needs it."""
    max_packet_bytes: int | None = None
    cores: tuple[int, int] | None = None
    """Where senders and receivers are bound to."""
    rounds: int = ROUNDS
    """In which several links take turns."""
    direct: frozenset[str] = link_names.DIRECT
    """Those of the links that need no broker."""
    commands: dict[str, Sequence[str]] = field(default_factory=dict)
    """By link: another program for its ends than ours."""


@dataclass(slots=True)
class Seen:
    """What was seen of one link, by round."""

    latencies: list[tuple[float, ...]] = field(default_factory=list)
    paced: list[tuple[int, Cpu]] = field(default_factory=list)
    """Of so many frames one by one: what each cost."""
    quick: list[tuple[int, Cpu]] = field(default_factory=list)
    """Of so many frames back to back."""
    seconds: list[float] = field(default_factory=list)
    """How long those took."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen of all links in one run."""

    load_average: float
    """The machine's, over the minute before."""
    broker: str | None
    seen: dict[str, Seen]
    """By link."""


def measure(request: HopRequest, tell: Callable[[str], None]) -> HopReport:
    """Measure; ``tell`` hears how far it is.

    Raises:
        CodedError: As for ``observe``.
    """
    observed = observe(request, tell)
    return HopReport(
        bytes=request.size_bytes,
        frames=request.frames,
        load_average=observed.load_average,
        broker=observed.broker,
        links=tuple(result(request, link, observed.seen[link]) for link in request.links),
        ratios={
            link: ratio(observed.seen[link], observed.seen[request.links[0]])
            for link in request.links[1:]
        },
    )


def observe(request: HopRequest, tell: Callable[[str], None]) -> Observation:
    """Start every pair of ends, and a broker where one is needed, and visit them in rounds.

    Raises:
        NoBrokerError: There is none to start.
        BrokerFailedError: It does not start.
        EndFailedError: A hop does not work, or a frame was lost.
    """
    load_average = os.getloadavg()[0]
    with contextlib.ExitStack() as running:
        broker, own = request.broker, None
        if broker is None and not set(request.links) <= request.direct:
            own = running.enter_context(demo_broker.Broker())
            broker = Broker(url=own.url)
        limit = request.max_packet_bytes or (MAX_PACKET_BYTES if own else None)
        pairs = []
        for link in request.links:
            tell(f"connecting over {link}")
            options = PairOptions(
                link,
                request.size_bytes,
                None if link in request.direct else broker,
                limit,
                request.cores,
                request.commands.get(link, HOP_COMMAND),
            )
            pairs.append(running.enter_context(Pair(options)))
        seen = _rounds(request, pairs, own.pid if own else None, tell)
    name = own.name if own else broker.url if broker else None
    return Observation(load_average, name, seen)


def cpu_seconds(pid: int) -> float:
    """Return the processor time that all threads of a running process have used."""
    files = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(file.read_text().split()[0]) for file in files) / 1e9


def _rounds(
    request: HopRequest, pairs: list[Pair], broker_pid: int | None, tell: Callable[[str], None]
) -> dict[str, Seen]:
    seen = {pair.link: Seen() for pair in pairs}
    rounds = min(request.rounds, request.frames) if len(pairs) > 1 else 1
    for pair in pairs:
        pair.measure(WARM_UP_FRAMES, window=1)
    for number in range(rounds):
        share = request.frames * (number + 1) // rounds - request.frames * number // rounds
        for pair in pairs if number % 2 == 0 else reversed(pairs):
            of, pid = seen[pair.link], None if pair.link in request.direct else broker_pid
            tell(f"round {number + 1} of {rounds}: {pair.link}, one by one")
            measured, cpu = _with_broker(pair, share, 1, PAUSE_SECONDS, pid)
            of.latencies.append(measured.latencies_seconds)
            of.paced.append((share, cpu))
            tell(f"round {number + 1} of {rounds}: {pair.link}, back to back")
            measured, cpu = _with_broker(pair, share, WINDOW, 0.0, pid)
            of.quick.append((share, cpu))
            of.seconds.append(measured.seconds)
    return seen


def _with_broker(
    pair: Pair, frames: int, window: int, pause_seconds: float, pid: int | None
) -> tuple[Measured, Cpu]:
    before = cpu_seconds(pid) if pid is not None else 0.0
    measured = pair.measure(frames, window=window, pause_seconds=pause_seconds)
    broker = (cpu_seconds(pid) - before) / frames if pid is not None else None
    cpu = Cpu(
        sender=measured.sender_cpu_seconds, receiver=measured.receiver_cpu_seconds, broker=broker
    )
    return measured, cpu


def result(request: HopRequest, link: str, seen: Seen) -> HopResult:
    """Return one link's figures."""
    latencies = [seconds for one in seen.latencies for seconds in one]
    frames_per_second = request.frames / sum(seen.seconds)
    return HopResult(
        link=link,
        latency_seconds=Latency(
            p50=quantile(latencies, 0.5),
            p95=quantile(latencies, 0.95),
            p50_interval=median_interval(latencies),
        ),
        cpu_seconds=_mean(seen.paced),
        cpu_seconds_back_to_back=_mean(seen.quick),
        frames_per_second=frames_per_second,
        bytes_per_second=frames_per_second * request.size_bytes,
    )


def _mean(parts: list[tuple[int, Cpu]]) -> Cpu:
    """Return the processor time of each frame, of parts of so many frames."""
    frames = sum(count for count, _ in parts)

    def of(name: str) -> float | None:
        values = [(count, getattr(cpu, name)) for count, cpu in parts]
        if any(value is None for _, value in values):
            return None
        return float(sum(count * value for count, value in values) / frames)

    return Cpu(sender=of("sender") or 0.0, receiver=of("receiver") or 0.0, broker=of("broker"))


def ratio(of: Seen, to: Seen) -> Ratio:
    """Return one link beside another, round by round."""
    return Ratio(
        latency=_ratio(_medians(of), _medians(to)),
        cpu=_ratio(_clients(of.paced), _clients(to.paced)),
        cpu_back_to_back=_ratio(_clients(of.quick), _clients(to.quick)),
    )


def _medians(seen: Seen) -> list[float]:
    return [statistics.median(one) for one in seen.latencies]


def _clients(parts: list[tuple[int, Cpu]]) -> list[float]:
    return [cpu.sender + cpu.receiver for _, cpu in parts]


def _ratio(of: list[float], to: list[float]) -> Interval:
    ratios = [here / there for here, there in zip(of, to, strict=True)]
    low, high = median_interval(ratios)
    return Interval(median=statistics.median(ratios), low=low, high=high)
