"""What an agent's worker spends on each frame beyond `session.run` and the link.

    uv run python benchmarks/agent_overhead.py
    uv run python benchmarks/agent_overhead.py --profile     # also by function, under cProfile
    uv run python benchmarks/agent_overhead.py --tensors 16 --bytes 600000

The real `Serving` of a first stage of two, between a client and a next stage that this script
plays: each frame comes from a reader thread with its position, is checked, "run" by the runtime
that returns its inputs, sent with the next stage's credit, and the next stage's grant is taken. The
link is one that takes buffers and drops them; with --queued it is one that cannot read on
meanwhile, so each frame is handed over to the worker's main thread. Counted is processor time of
the two threads, without what this script does in them, and without waking who would read on:

    one by one     a frame each 4 ms, as at 250 frames/s: cold caches, sleeping threads
    back to back   up to 4 frames in flight

Beside each stands the floor: a word handed from one thread to another, at the same pace.

Then the parts, each alone: warm, in a loop; and cold, once after something else has had all caches,
as a model does. A worker's part in a frame is nearer to the second.
"""

import argparse
import cProfile
import os
import pstats
import queue
import statistics
import threading
import time
import timeit
from pathlib import Path

import numpy as np

from agent.channel import BrokerAccess, Load
from agent.runtimes.identity import IdentityRuntime
from agent.worker.serving import Serving
from agent.worker.stage import Stage
from agent.worker.stats import Stats
from wire import codecs, frame, tensors, timings
from wire.frame import Frame, Kind
from wire.hop import Grant, Position
from wire.hop.receiver import HopReceiver
from wire.hop.sender import HopSender
from wire.ids import is_id
from wire.messages import Assignment, Contract, Peer, Peers
from wire.random_number import random_number
from wire.sequence import SeenStreams
from wire.tensors import TensorSpec
from wire.topics import Lane, Site

PAUSE_SECONDS = 0.004
WINDOW = 4
ROUNDS = 5
COLD_ROUNDS = 60
OTHERS_BYTES = 32 << 20
CLIENT = "bench-client"
GENERATION = 1


class Dropping:
    """A link that takes what is sent and says so."""

    up = True

    def __init__(self, reads_on):
        self.reads_on = reads_on
        self.receive = {}
        self.sent = {}
        """By address, queues of what was sent."""

    def listen(self, address, receive):
        self.receive[address] = receive

    def start(self, timeout_seconds):
        pass

    def close(self):
        pass

    def send(self, address, buffers):
        if address in self.sent:
            self.sent[address].put(buffers)


class Worker:
    """The real stage, and the neighbours that this script plays."""

    def __init__(self, size_bytes, count, queued):
        shape = (max(1, size_bytes // count // 4),)
        specs = tuple(TensorSpec(name=f"t{i}", dtype=1, shape=shape) for i in range(count))
        contract = Contract(receives=specs, sends=specs, inputs=specs, outputs=specs)
        assignment = Assignment(
            pipeline="p", generation=GENERATION, stage=0, segment="s", format="onnx", files=(),
            contract=contract, runtime="identity",
            peers=Peers(downstream=(Peer(device="d1", stage=1),)),
        )  # fmt: skip
        self.site = Site()
        self.link = Dropping(not queued)
        order = Load(
            device="d0", site=self.site.site, root=self.site.root, assignment=assignment,
            folder=Path(), broker=BrokerAccess(url="mqtt://nowhere"), threads=1,
            weights="prepacked", inbox_frames=16, inbox_bytes=256 << 20, max_frame_bytes=64 << 20,
        )  # fmt: skip
        self.stage = Stage("d0", self.site, assignment, random_number(), clock="c" * 16)
        self.serving = Serving(self.stage, order, self.link, IdentityRuntime())
        self.arrays = {spec.name: np.zeros(shape, np.float32) for spec in specs}
        self.lane = self.stage.inbox_address()
        self.credit = self.stage.credit_address()
        self.next = self.site.lane("d1", "p", Lane(GENERATION, 1))
        self.sender = HopSender(random_number(), CLIENT, credited=False)
        self.after = HopReceiver(random_number(), 16, 256 << 20)
        """The next stage's."""
        self.link.sent[self.next] = queue.SimpleQueue()
        self.given = 0
        self.profile = None
        self._closing = threading.Event()
        self.thread = threading.Thread(target=self._serve, name="compute", daemon=True)

    def start(self):
        self.serving.open_input()
        self.thread.start()
        self._meet()

    def stop(self):
        self._closing.set()
        self.serving._closing_at = float("-inf")  # noqa: SLF001 no waiting for a quiet second
        self.thread.join()

    def frames(self, count):
        """Return encoded frames, each one buffer, as a link would deliver them."""
        made = []
        for _ in range(count):
            plain = Frame(
                Kind.DATA, 7, self.given, generation=GENERATION, deadline_ms=60_000,
                meta={"client": CLIENT}, tensors=codecs.tensors(self.arrays),
            )  # fmt: skip
            position = self.sender.sent(None, 0)
            made.append(b"".join(frame.encode(plain.with_meta(hop=list(position)))))
            self.given += 1
        return made

    def next_grant(self):
        """Wait for the next frame on its way to the next stage; returns its grant, if due."""
        while True:
            arrived = frame.decode(b"".join(self.link.sent[self.next].get(timeout=10)))
            position = Position.from_meta(arrived.meta["hop"])
            now = time.monotonic()
            if arrived.kind is Kind.CREDIT:
                self.grant(encoded(self.after.probed(position, now)))
                continue
            self.after.arrived(position, 0, now)
            due = self.after.released(position, now)
            return encoded(due) if due is not None else None

    def take(self, data):
        """Take a frame, and run it where that is the reader's to do."""
        work = self.link.receive[self.lane](self.lane, data)
        if work is not None:
            work()

    def grant(self, data):
        self.link.receive[self.credit](self.credit, data)

    def _meet(self):
        """Send a first frame, which the worker asks the next stage for credit for."""
        [first] = self.frames(1)
        may_work, self.link.reads_on = self.link.reads_on, False  # it waits for credit from here
        self.take(first)
        self.next_grant()
        self.link.reads_on = may_work

    def _serve(self):
        if self.profile is not None:
            self.profile.enable()
        self.serving.serve(self._closing.is_set)
        if self.profile is not None:
            self.profile.disable()


def encoded(grant):
    made = Frame(Kind.CREDIT, 0, 0, meta={"grant": grant.to_meta()})
    return b"".join(frame.encode(made))


def measure(worker, count, window, pause_seconds):
    """Return the processor seconds of reader and compute thread for each frame."""
    frames = worker.frames(count)
    compute_clock = time.pthread_getcpuclockid(worker.thread.ident)
    reader_ns = 0
    before = time.clock_gettime_ns(compute_clock)
    looks = answered = 0
    for number, data in enumerate(frames):
        began = time.thread_time_ns()
        worker.take(data)
        reader_ns += time.thread_time_ns() - began
        looks += 1
        while number + 1 - answered >= (window if number + 1 < count else 1):
            grant = worker.next_grant()
            answered += 1
            if grant is not None:
                began = time.thread_time_ns()
                worker.grant(grant)
                reader_ns += time.thread_time_ns() - began
                looks += 1
        if pause_seconds:
            time.sleep(pause_seconds)
    time.sleep(0.01)
    compute_ns = time.clock_gettime_ns(compute_clock) - before
    return (reader_ns - looks * _clock_ns()) / count / 1e9, compute_ns / count / 1e9


def handed_over(count, pause_seconds):
    """Return the floor: what a word from thread to thread costs each of them, in processor seconds.

    The other thread says the word back, so that both sleep in between, as they do in a worker.
    """
    there, back, clocks = queue.SimpleQueue(), queue.SimpleQueue(), []

    def other():
        clocks.append(time.thread_time_ns())
        for _ in range(count):
            back.put(there.get())
        clocks.append(time.thread_time_ns())

    thread = threading.Thread(target=other)
    thread.start()
    put_ns = 0
    for number in range(count):
        began = time.thread_time_ns()
        there.put(number)
        put_ns += time.thread_time_ns() - began
        back.get()
        if pause_seconds:
            time.sleep(pause_seconds)
    thread.join()
    return (put_ns - count * _clock_ns()) / count / 1e9, (clocks[1] - clocks[0]) / count / 1e9


def _clock_ns():
    """Return what a look at the clock adds to what it measures."""
    looks = [-(time.thread_time_ns() - time.thread_time_ns()) for _ in range(1000)]
    return statistics.median(looks)


def pieces(worker):
    """Yield what each part costs alone, in seconds: name and how often a frame needs it."""
    [data] = worker.frames(1)
    made = frame.decode(data)
    contract = worker.stage.assignment.contract
    got = {tensor.name: (tensor.dtype, tensor.shape) for tensor in made.tensors}
    entry = timings.StageTimes(
        stage=0, device="d0", clock="c" * 16, received=1, started=2, run=3, finished=4, sent=5
    )
    position = Position.from_meta(made.meta["hop"])
    theirs = HopReceiver(99, 16, 1 << 40)
    sender = HopSender(worker.given, "d0")
    grant = encoded(theirs.probed(sender.position(), 0.0)._replace(frames=1 << 60))
    sender.granted(Grant.from_meta(frame.decode(grant).meta.get("grant")))
    seen, stats, numbers = SeenStreams(), Stats(), iter(range(10**9))
    receiver = HopReceiver(1, 16, 1 << 40)

    def come_and_go():
        number = next(numbers)
        at = Position(5, number, 0, "d0")
        receiver.arrived(at, 0, 0.0)
        told = receiver.released(at, 0.0)
        if told is not None:
            frame.encode(Frame(Kind.CREDIT, 0, 0, meta={"grant": told.to_meta()}))

    outputs = codecs.tensors(worker.arrays)

    def result():
        return Frame(
            Kind.DATA, made.stream, made.sequence, generation=1, stage=1, deadline_ms=9,
            meta={**made.meta, timings.KEY: timings.appended(made.meta, entry)},
            tensors=outputs,
        )  # fmt: skip

    sent = result()
    yield "decode the frame", lambda: frame.decode(data)
    yield "position and ids", lambda: (Position.from_meta(made.meta["hop"]), is_id(CLIENT))
    yield "first time?", lambda: seen.first_time(7, next(numbers))
    yield "dtypes and shapes", lambda: tensors.check("s", contract.receives, got)
    yield "arrays of tensors", lambda: codecs.arrays(made)
    yield "tensors of arrays", lambda: codecs.tensors(worker.arrays)
    yield "result and its timings", result
    yield "position on the next hop, done", lambda: sender.sent(("c", 7, 1), 0)
    yield "encode", lambda: frame.encode(sent.with_meta(hop=list(position)))
    yield (
        "take a grant (not each frame)",
        lambda: sender.granted(Grant.from_meta(frame.decode(grant).meta.get("grant"))),
    )
    yield "account the hop, give due grants", come_and_go
    yield (
        "counts and histograms",
        lambda: stats.finished(1, queue=9**5, decode=9**5, run=9**5, encode=9**5, send=9**5),
    )
    yield "clock, eight times", lambda: [time.monotonic_ns() for _ in range(8)]


def row(label, rounds):
    """Return a table row of what both threads spent in each round."""
    both = [1e6 * sum(spent) for spent in rounds]
    reader, compute = (1e6 * statistics.median(spent) for spent in zip(*rounds, strict=True))
    cells = (label, *(f"{us:.0f}" for us in (reader, compute, statistics.median(both), min(both))))
    return f"| {' | '.join(cells)} |"


def alone(call):
    """Return the least seconds of one call."""
    timer = timeit.Timer(call, timer=time.thread_time)
    number, _ = timer.autorange()
    return min(timer.repeat(7, max(1, number // 8))) / max(1, number // 8)


def cold(call):
    """Return the median seconds of one call after another's data took all caches."""
    everything = np.ones(OTHERS_BYTES // 4, np.float32)
    spent = []
    for _ in range(COLD_ROUNDS):
        everything *= 1
        began = time.thread_time_ns()
        call()
        spent.append(time.thread_time_ns() - began)
    return statistics.median(spent) / 1e9


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--frames", type=int, default=300, help="in each of five rounds")
    parser.add_argument("--bytes", type=int, default=200_000, help="of all tensors of a frame")
    parser.add_argument("--tensors", type=int, default=1)
    parser.add_argument("--queued", action="store_true", help="frames are handed over")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{options.tensors} tensors, {options.bytes} bytes; load before {load:.1f}\n")
    worker = Worker(options.bytes, options.tensors, options.queued)
    worker.start()
    try:
        measure(worker, 50, 1, 0)
        print("| | reader thread us | main thread us | together us | least |")
        print("|---|---|---|---|---|")
        for label, window, pause in (
            ("one by one", 1, PAUSE_SECONDS), ("back to back", WINDOW, 0),
        ):  # fmt: skip
            rounds, floors = [], []
            for _ in range(ROUNDS):
                rounds.append(measure(worker, options.frames, window, pause))
                floors.append(handed_over(options.frames, pause))
            print(row(label, rounds))
            print(row(f"{label}: a word handed over, and nothing else", floors))
        print("\n| part, alone | warm us | cold us |\n|---|---|---|")
        total = np.zeros(2)
        nothing = cold(lambda: None)
        for name, call in pieces(worker):
            seconds = np.array([alone(call), cold(call) - nothing])
            total += seconds
            print(f"| {name} | {seconds[0] * 1e6:.1f} | {seconds[1] * 1e6:.0f} |")
        print(f"| all | {total[0] * 1e6:.1f} | {total[1] * 1e6:.0f} |")
    finally:
        worker.stop()
    if options.profile:
        profiled(options)


def profiled(options):
    """Print both threads by function, back to back, under cProfile (which makes calls dearer)."""
    worker = Worker(options.bytes, options.tensors, options.queued)
    worker.profile = cProfile.Profile(time.thread_time)
    worker.start()
    count = 2000
    reader = cProfile.Profile(time.thread_time)
    reader.runcall(measure, worker, count, 1, 0)
    worker.stop()
    for name, profile in (("reader (and this script)", reader), ("compute", worker.profile)):
        print(f"\n{name}, {count} frames:")
        pstats.Stats(profile).sort_stats("tottime").print_stats(28)


if __name__ == "__main__":
    main()
