"""One run of a pipeline: its parts made, put together, and let go on until enough has ended."""

from collections import Counter
from collections.abc import Callable
from itertools import chain
from typing import Final

import msgspec

from fleet.simulator import chance
from fleet.simulator.client import Client
from fleet.simulator.events import Events
from fleet.simulator.lanes import Lane, Party, Sender, Wire
from fleet.simulator.pipeline import Load, Pipeline, Worker
from fleet.simulator.processor import OwnCore, Processor
from fleet.simulator.trace import Trace
from fleet.simulator.worker import SimulatedWorker
from wire.hop import PROBE_SECONDS, SUSPECT_PROBES
from wire.hop.receiver import ACTIVE_SECONDS

SUSPECT_SECONDS: Final = (SUSPECT_PROBES + 1) * PROBE_SECONDS
"""From a device's death until its senders give what it held to others; ADR 17: about two."""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the frames up to now: submitted is the sum of all others."""

    submitted: int
    results: int
    errors: int
    drops: int
    in_flight: int


class Simulation:
    """A run that can be looked at between any two events.

    Args:
        pipeline: What is simulated.
        load: What its client does.
    """

    def __init__(self, pipeline: Pipeline, load: Load) -> None:
        self.events = Events()
        self.trace = Trace()
        self.client = Client(self.events, self.trace, load)
        self._pipeline = pipeline
        self._load = load
        self._wires: dict[tuple[str, str], Wire] = {}
        self.stages = [
            [self._worker(worker) for worker in stage.workers] for stage in pipeline.stages
        ]
        self._connect()
        self._kills_left = len(load.kills)
        for kill in load.kills:
            self.events.at(kill.at_seconds, self._kill, kill.device)
        self.events.at(0.0, self.client.go_on)

    @property
    def account(self) -> Account:
        """What became of the frames up to now."""
        ended = Counter(ending.outcome for ending in self.trace.endings)
        return Account(
            submitted=self.client.submitted,
            results=ended["result"],
            errors=ended["error"],
            drops=ended["drop"],
            in_flight=len(self.client.open),
        )

    @property
    def finished(self) -> bool:
        """Whether enough frames have ended, since the last kill if there is one."""
        since = self.trace.killed[-1][1] if self.trace.killed else 0
        enough = len(self.trace.endings) >= since + self._load.frames
        return enough and not self._kills_left

    def run(self) -> Trace:
        """Go on until it is finished; returns what happened.

        Raises:
            SimulationTooLongError: It takes too long.
        """
        while not self.finished:
            self.events.step()
        for worker in chain.from_iterable(self.stages):
            if not worker.dead:
                worker.record()
        return self.trace

    def _worker(self, worker: Worker) -> SimulatedWorker:
        extra = worker.handling_seconds
        if not worker.sends_beside:
            extra += worker.send_seconds
        run = chance.times(
            worker.run_seconds,
            worker.run_seconds * worker.spread,
            self._load.seed,
            f"device {worker.device}",
        )
        return SimulatedWorker(
            self.events,
            self.trace,
            worker,
            _and(run, extra),
            Processor(worker.quota) if worker.quota else OwnCore(),
            self._load.deadline_seconds,
        )

    def _connect(self) -> None:
        """Lay the lanes from each party to each of the next stage, and to the client."""
        pipeline, client = self._pipeline, self.client
        senders: list[tuple[Party, str | None]] = [(client, pipeline.source)]
        size = pipeline.input_bytes
        for workers, stage in zip(self.stages, pipeline.stages, strict=True):
            for owner, place in senders:
                lanes = [self._lane((owner, place), (to, to.device), size) for to in workers]
                self._give(owner, lanes)
                for lane, worker in zip(lanes, workers, strict=True):
                    worker.lanes.append(lane)
            for worker in workers:
                worker.grant(now=True)
            senders = [(worker, worker.device) for worker in workers]
            size = stage.out_bytes
        for owner, place in senders:
            self._give(owner, [self._lane((owner, place), (client, pipeline.sink), size)])

    def _give(self, owner: Party, lanes: list[Lane]) -> None:
        assert isinstance(owner, Client | SimulatedWorker)
        owner.sender = Sender(lanes, self.client.lost)

    def _lane(
        self, from_: tuple[Party, str | None], to: tuple[Party, str | None], size: int
    ) -> Lane:
        (owner, here), (receiver, there) = from_, to
        wire, back = None, 0.0
        links = self._pipeline.links
        if here is not None and there is not None and (here, there) in links:
            wire = self._wire(here, there)
            back = links.get((there, here), links[here, there]).latency_seconds
        return Lane(self.events, owner, receiver, wire, back, size)

    def _wire(self, here: str, there: str) -> Wire:
        if (here, there) not in self._wires:
            link = self._pipeline.links[here, there]
            latency = chance.times(
                link.latency_seconds,
                link.latency_seconds + link.jitter_seconds,
                self._load.seed,
                f"link {here}>{there}",
            )
            self._wires[here, there] = Wire(
                self.events, self.trace, (here, there), link.bytes_per_second, latency
            )
        return self._wires[here, there]

    def _kill(self, device: str) -> None:
        """Let a device die, and its neighbours find out after a while."""
        now = self.events.now
        self.trace.killed.append((now, len(self.trace.endings)))
        self._kills_left -= 1
        for dead in (w for w in chain.from_iterable(self.stages) if w.device == device):
            dead.die()
            self.events.at(now + SUSPECT_SECONDS, self._suspect, dead)
            self.events.at(now + ACTIVE_SECONDS, self._grant_anew, dead)

    def _suspect(self, dead: SimulatedWorker) -> None:
        for lane in dead.lanes:
            owner = lane.owner
            assert isinstance(owner, Client | SimulatedWorker)
            if not owner.dead:
                owner.sender.suspect([lane])
                owner.roomy()

    def _grant_anew(self, dead: SimulatedWorker) -> None:
        for lane in dead.sender.lanes:
            if isinstance(lane.receiver, SimulatedWorker) and not lane.receiver.dead:
                lane.receiver.grant()


def _and(draw: chance.Draw, extra_seconds: float) -> Callable[[], float]:
    return (lambda: draw() + extra_seconds) if extra_seconds else draw
