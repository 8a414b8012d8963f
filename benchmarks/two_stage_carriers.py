"""What `benchmarks/two_stage.py` measures: two halves of a model, and what carries between them.

Each has ``alone(frames)``: one frame in flight; ``busy(frames)``: several; and ``close()``, which
returns what was seen, a `Seen` for each time that it was busy.
"""

import contextlib
import json
import os
import queue
import statistics
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from benchmarks.hops import BROKERED
from benchmarks.two_stage_child import BARE, CARRIERS, IDEAL, WIDTH, Run
from paceline.bench.hop import cpu_seconds
from paceline.bench.messages import Broker as BrokerAt
from paceline.bench.messages import Setup
from paceline.bench.pair import Pair, PairOptions
from paceline.demo.broker_kinds import MAX_PACKET_BYTES
from tests.system.place import Place, until
from wire import link_names

CHILD = str(Path(__file__).with_name("two_stage_child.py"))
CLIENT = ", client"
REAL = "paceline"
WINDOW = 3
CLIENT_WINDOW = 4
"""There are two hops more, to and from the client."""
WARM_UP_FRAMES = 10
PATIENCE_SECONDS = 30.0


class Seen(NamedTuple):
    """One carrier's one round; processor time is in seconds for each frame."""

    hops: list
    """Seconds of each frame that was alone."""
    rate: float
    utilisation: float
    """How much of the time the half ran that ran longer, while several were in flight."""
    first: float
    second: float
    broker: float
    client: float


class Block(NamedTuple):
    """Both halves' runs while both run: mean seconds of the slower one, processor time of both."""

    slower: float
    cpu: float

    @classmethod
    def of(cls, runs):
        """Return what a run of each half at a time makes."""
        seconds = [statistics.fmean(run.ended_ns - run.began_ns for run in part) for part in runs]
        cpu = [statistics.fmean(run.cpu_ns for run in part) for part in runs]
        return cls(max(seconds) / 1e9, sum(cpu) / 1e9)


def cores():
    """Return the core of the first and of the second half."""
    mine = sorted(os.sched_getaffinity(0))
    return mine[0], mine[-1]


def bind(pid, *cores):
    """Bind all threads that a process has, and those that they start."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), cores)


class Runs:
    """Both halves' runs, which their processes leave when they end, in the order of the frames."""

    def __init__(self, folder, name):
        self.halves = [
            msgspec.json.decode((folder / f"{name}-{stage}.json").read_bytes(), type=list[Run])
            for stage in (0, 1)
        ]

    def take(self, frames):
        """Return the next ones of the first and of the second half."""
        taken = [half[:frames] for half in self.halves]
        self.halves = [half[frames:] for half in self.halves]
        return taken


class Carried:
    """Two processes; the first makes each frame, and hears when the second has run it."""

    def __init__(self, name, folder, broker):
        self.name, self.folder = name, folder
        self.broker_pid = broker.pid if name.removesuffix(BARE) in BROKERED else None
        at = BrokerAt(url=broker.url)
        command = (sys.executable, CHILD)
        self.pair = Pair(PairOptions(name, 4, at, MAX_PACKET_BYTES, cores(), command))
        self.measured = []
        """Frames, what the pair said, and the broker's processor time; alone and busy by turns."""
        self.pair.measure(WARM_UP_FRAMES, window=1)

    def alone(self, frames):
        self._measure(frames, 1)

    def busy(self, frames):
        self._measure(frames, WINDOW)

    def _measure(self, frames, window):
        before = cpu(self.broker_pid)
        found = self.pair.measure(frames, window=window)
        self.measured.append((frames, found, (cpu(self.broker_pid) - before) / frames))

    def close(self):
        self.pair.close()
        runs, seen = Runs(self.folder, self.name), []
        runs.take(WARM_UP_FRAMES)
        for (frames, one, _), (many, busy, broker) in zip(
            self.measured[::2], self.measured[1::2], strict=True
        ):
            hops = [
                latency - sum(run.ended_ns - run.began_ns for run in both) / 1e9
                for latency, *both in zip(one.latencies_seconds, *runs.take(frames), strict=True)
            ]
            rate = (many - 1) / (busy.seconds - busy.latencies_seconds[0])
            used = rate * Block.of(runs.take(many)).slower
            spent = busy.sender_cpu_seconds, busy.receiver_cpu_seconds, broker
            seen.append(Seen(hops, rate, used, *spent, 0.0))
        return seen


class Ideal(Carried):
    """What two halves take that run at the same time; nothing but a word goes between them."""

    def __init__(self, folder, broker):
        super().__init__(IDEAL, folder, broker)
        self.taken = []

    def block(self, frames):
        """Let both run ``frames`` times."""
        self.pair.measure(frames, window=WINDOW)
        self.taken.append(frames)

    def close(self):
        """Return what each block saw."""
        self.pair.close()
        runs = Runs(self.folder, self.name)
        runs.take(WARM_UP_FRAMES)
        return [Block.of(runs.take(frames)) for frames in self.taken]


class Chained:
    """A client, which is this process, and two: what others would write for what ours is.

    Inputs and results, of 1 KB, go over the same carrier as what crosses the cut.
    """

    def __init__(self, name, folder, broker):
        self.name, self.folder = name, folder
        inner = name.removesuffix(CLIENT)
        self.broker_pid = broker.pid if inner in BROKERED else None
        chain = f"chain-{os.urandom(4).hex()}"

        def setup(hop, meeting=None):
            return Setup(
                link=inner, name=f"{chain}-{hop}", size_bytes=4 * WIDTH, confirm_descriptor=-1,
                folder=str(folder), token="", broker=BrokerAt(url=broker.url),
                meeting=meeting or {},
            )  # fmt: skip

        sender, receiver = CARRIERS[inner]
        self.results = queue.SimpleQueue()
        self.receiver = receiver(setup(2), self.results.put)
        self.stages, meeting = [], self.receiver.meeting
        for stage, core in reversed(list(enumerate(cores()))):
            ways = setup(stage), setup(stage + 1, meeting)
            child = subprocess.Popen(
                [sys.executable, CHILD, "stage", str(stage), str(core), name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            self.stages.insert(0, child)
            child.stdin.write(msgspec.json.encode(ways) + b"\n")
            child.stdin.flush()
            meeting = json.loads(child.stdout.readline())
        self.sender = sender(setup(0, meeting))
        self.measured = []
        self.run(WARM_UP_FRAMES, 1)

    def alone(self, frames):
        self.run(frames, 1)
        self.measured.append(frames)

    def busy(self, frames):
        before, own = self.spent(), time.process_time()
        answered_ns = self.run(frames, CLIENT_WINDOW)
        client = (time.process_time() - own) / frames
        spent = [(now - was) / frames for now, was in zip(self.spent(), before, strict=True)]
        self.measured.append((frames, _rate(answered_ns), *spent, client))

    def run(self, frames, window):
        """Let frames pass, so many in flight; returns when each was answered."""
        answered_ns = []
        for sequence in range(frames):
            self.send(sequence)
            if sequence + 1 >= window:
                self.answer()
                answered_ns.append(time.monotonic_ns())
        while len(answered_ns) < frames:
            self.answer()
            answered_ns.append(time.monotonic_ns())
        return answered_ns

    def send(self, sequence):
        self.sender.send(sequence)

    def answer(self):
        """Wait for the result of the frame that was sent first."""
        return self.results.get(timeout=PATIENCE_SECONDS)

    def spent(self):
        """Return the processor time of the first and of the second stage, and the broker's."""
        return [cpu(pid) for pid in (*(stage.pid for stage in self.stages), self.broker_pid)]

    def end(self):
        """End the stages, which leaves their runs in files."""
        self.sender.close()
        for stage in self.stages:
            stage.stdin.close()
            stage.wait()
        self.receiver.close()

    def close(self):
        self.end()
        runs, seen = Runs(self.folder, self.name), []
        runs.take(WARM_UP_FRAMES)
        for alone, (frames, rate, *spent) in zip(
            self.measured[::2], self.measured[1::2], strict=True
        ):
            both = zip(*runs.take(alone), strict=True)
            hops = [(second.began_ns - first.ended_ns) / 1e9 for first, second in both]
            used = rate * Block.of(runs.take(frames)).slower
            seen.append(Seen(hops, rate, used, *spent))
        return seen


class Real:
    """A pipeline of two workers on two agents, and its client, which is this process."""

    def __init__(self, place, split_folder, link):
        self.name = f"{REAL}, {link}" if link else REAL
        self.broker = place.broker
        known = {device: place.workers(device) for device in ("d1", "d2")}
        pipeline = f"p-{link or 'default'}"
        named = {"link": link} if link else {}
        place.deploy(split_folder, "d1", "d2", name=pipeline, **named)
        self.workers = []
        for device, core in zip(("d1", "d2"), cores(), strict=True):
            [pid] = place.workers(device) - known[device]
            self.workers.append(pid)
            bind(pid, core)
        self.pipeline = place.site.pipeline(pipeline)
        self.inputs = {"x": np.ones((1, WIDTH), np.float32)}
        self.hops, self.seen = [], []
        self.runs = []
        """Milliseconds of each busy frame's two runs."""
        for _ in range(WARM_UP_FRAMES):
            self.pipeline.run(self.inputs)
        if link in link_names.DIRECT:
            until(self._is_direct, "direct links from the client and to it")

    def _is_direct(self):
        self.pipeline.run(self.inputs)
        told = self.pipeline.account
        return not {*told.links.values(), *told.links_back.values()} & {*link_names.BROKERED}

    def alone(self, frames):
        self.hops = []
        for answer in self.pipeline.stream([self.inputs] * frames, window=1):
            first, second = answer.timings
            self.hops.append((second.run - first.finished) / 1e9)

    def busy(self, frames):
        pids = (*self.workers, self.broker.pid)
        before, own = [cpu(pid) for pid in pids], time.process_time()
        answers = list(self.pipeline.stream([self.inputs] * frames, window=CLIENT_WINDOW))
        client = (time.process_time() - own) / frames
        spent = [(cpu(pid) - was) / frames for pid, was in zip(pids, before, strict=True)]
        runs = [[(t.finished - t.run) / 1e6 for t in answer.timings] for answer in answers]
        self.runs += runs
        rate = _rate([answer.answered_ns for answer in answers])
        used = rate * max(map(statistics.fmean, zip(*runs, strict=True))) / 1000
        self.seen.append(Seen(self.hops, rate, used, *spent, client))

    def close(self):
        return self.seen


@contextlib.contextmanager
def agents(folder, broker):
    """Give a site with two agents."""
    place = Place(folder, broker)
    try:
        place.start("d1", "d2")
        for device in ("d1", "d2"):
            until(lambda device=device: place.ear.last("info", device), device)
        yield place
    finally:
        place.end()


def cpu(pid):
    return cpu_seconds(pid) if pid is not None else 0.0


def _rate(answered_ns):
    return 1e9 / statistics.fmean(after - before for before, after in pairwise(answered_ns))
