"""Real stages and real clients over links in memory: all but the broker and the processes."""

import contextlib
import itertools
import queue
import threading
import time

import msgspec
import numpy as np
import pytest

from agent.channel import BrokerAccess, Load
from agent.errors import RuntimeFailedError
from agent.worker.serving import Serving
from agent.worker.stage import Stage
from paceline import stream as streams
from paceline.dataplane import DataPlane
from paceline.stream import Stream
from wire import codecs, frame
from wire.broker_url import BrokerUrl
from wire.frame import Frame, Kind
from wire.links import LinkOptions
from wire.links.memory import MemoryLink
from wire.messages import Assignment, Contract, Limits, Peer, Peers, Route, RouteStage
from wire.random_number import random_number
from wire.tensors import TensorSpec
from wire.topics import Lane, Site

PATIENCE_SECONDS = 60.0
"""Nothing waits so long unless it is broken."""
HOSTS = itertools.count()
HOST = "c" * 16
"""Where the workers are."""
X = TensorSpec(name="x", dtype=1, shape=("n",))


def eventually(claim):
    """Wait until ``claim()`` is true; fail when it never is."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not claim():
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.002)


class Scripted:
    """A runtime for tests: a function of the arrays, behind a gate that the test holds."""

    inputs = ()
    outputs = ()
    any_thread = True

    def __init__(self, function=lambda arrays: arrays, *, gated=False):
        self.function = function
        self.runs = []
        self.closed = False
        self._gate = threading.Semaphore(0) if gated else None

    def run(self, inputs):
        """Note what came, wait for the gate, and answer."""
        self.runs.append({name: array.copy() for name, array in inputs.items()})
        if self._gate is not None:
            self._gate.acquire(timeout=PATIENCE_SECONDS)
        return self.function(inputs)

    def allow(self, runs=1):
        """Let so many runs pass the gate."""
        self._gate.release(runs)

    def close(self):
        """Note it."""
        self.closed = True
        if self._gate is not None:
            self._gate.release(1000)


class Worker:
    """One stage in a thread, as `agent.worker.process` runs it in a process."""

    def __init__(self, stage, order, link, runtime):
        self.link = link
        self.runtime = runtime
        self.serving = Serving(stage, order, link, runtime)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve, name=f"{stage.device} compute")
        self.failure = None

    def start(self):
        """Open the input and serve."""
        self.serving.open_input()
        self._thread.start()
        return self

    def drain(self):
        """Give the order to close, and wait for the end."""
        self._closing.set()
        self.join()

    def kill(self):
        """End at once, in mid-frame if need be; nothing more leaves."""
        self.link.close()
        self.serving._closing_at = float("-inf")
        self.serving._inbox.wake()
        if self.runtime is not None:
            self.runtime.close()
        self.join()

    def join(self):
        """Wait for the compute thread."""
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive(), "the worker does not end"

    @property
    def counts(self):
        """What it has counted."""
        return self.serving.snapshot().counts

    def _serve(self):
        try:
            self.serving.serve(self._closing.is_set)
        except Exception as error:
            self.failure = error


class Client:
    """A client's connection, which streams are opened on."""

    def __init__(self, plane, link, route):
        self.plane = plane
        self.link = link
        self.route = route

    def stream(self, **options):
        """Return a new stream, by default a patient one; its route is this client's newest."""
        options = {"deadline_seconds": PATIENCE_SECONDS, **options}
        return Stream(self.plane, lambda: self.route, **options)

    def answers(self, frames, **options):
        """Run frames in a stream of their own; returns the answers and the closed stream."""
        stream = self.stream(**options)
        with balanced(stream):
            found = list(stream.run(frames, None))
            stream.close()
        return found, stream


@contextlib.contextmanager
def balanced(stream):
    """Check the accounting's sum from another thread all the while."""
    stop, wrong, looks = threading.Event(), [], itertools.count()

    def look():
        while not stop.wait(0.0005):
            next(looks)
            account = stream.account("p")
            ended = account.results + sum(account.errors.values()) + account.drops
            if account.submitted != ended + account.in_flight:
                wrong.append(account)

    thread = threading.Thread(target=look, name="auditor")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert wrong == []
    assert stream.accounting.balanced


class Stranger:
    """Whoever may publish on the broker: sends what it likes and hears one client's topics."""

    def __init__(self, fleet, name="stranger"):
        self.name = name
        self.heard = queue.Queue()
        self.hop = random_number()
        self.sent = 0
        self.link = fleet.link(f"x.{name}")
        for kind in ("out", "client_credit"):
            self.link.listen(fleet.site.topic(kind, pipeline="p", client=name), self._hear)
        self.link.start(1)

    def send(self, address, data):
        """Send raw bytes."""
        self.link.send(address, [data])

    def send_frame(self, address, made, **meta):
        """Send a frame at this stranger's next position, with meta changed as given."""
        position = [self.hop, self.sent, 4096 * self.sent, self.name]
        self.sent += 1
        made = made.with_meta(**{"hop": position, "client": self.name, **meta})
        self.link.send(address, frame.encode(made))

    def hears(self, kind):
        """Return the next frame of a kind."""
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            got = self.heard.get(timeout=max(0.01, until - time.monotonic()))
            if got.kind is kind:
                return got

    def _hear(self, _address, data):
        self.heard.put(frame.decode(data))


class Fleet:
    """One site: its workers, clients and strangers, all on one hub in memory."""

    def __init__(self, folder):
        self.site = Site()
        self.folder = folder
        self._host = f"hub-{next(HOSTS)}"
        self._ending = []
        self.workers = []
        self.routes = []

    def link(self, client_id):
        """Return a link of this site, not yet started."""
        link = MemoryLink(LinkOptions(BrokerUrl("mqtt", self._host, 1), client_id))
        self._ending.append(link.close)
        return link

    def worker(self, assignment, device, runtime=None, *, folder=None, limits=(16, 1 << 20), **of):
        """Start a worker; ``limits`` are the inbox's frames and bytes."""
        order = Load(
            device=device, site=self.site.site, root=self.site.root, assignment=assignment,
            folder=folder or self.folder, broker=BrokerAccess(url="mqtt://nowhere"), threads=1,
            weights="prepacked", inbox_frames=limits[0], inbox_bytes=limits[1],
            max_frame_bytes=of.get("max_frame_bytes", 64 << 20), direct=of.get("direct"),
        )  # fmt: skip
        stage = Stage(device, self.site, assignment, random_number(), clock=HOST)
        worker = Worker(stage, order, self.link(f"{device}.p"), runtime)
        self._ending.insert(0, worker.kill)
        self.workers.append(worker)
        return worker.start()

    def chain(self, *runtimes, contracts=None, generation=1, **options):
        """Start one worker for each runtime, device d0, d1...; returns route and workers."""
        count = len(runtimes)
        contracts = contracts or [contract() for _ in runtimes]
        assignments = [chain_assignment(i, count, contracts[i], generation) for i in range(count)]
        workers = [
            self.worker(assignment, f"d{i}", runtime, **options)
            for i, (assignment, runtime) in enumerate(zip(assignments, runtimes, strict=True))
        ]
        stages = tuple(
            RouteStage(stage=i, device=f"d{i}", segment="s", runtime="identity")
            for i in range(count)
        )
        route = Route(
            pipeline="p", generation=generation, epoch=1, manifest="m", stages=stages,
            receives=contracts[0].receives, outputs=contracts[-1].sends,
        )  # fmt: skip
        self.routes.append(route)
        return route, workers

    def route_of(self, agreed, generation=1):
        """Return a route to one stage with this contract, on device d0."""
        entry = RouteStage(stage=0, device="d0", segment="s", runtime="identity")
        return Route(
            pipeline="p", generation=generation, epoch=1, manifest="m", stages=(entry,),
            receives=agreed.receives, outputs=agreed.sends,
        )  # fmt: skip

    def replicated(self, *counts, runtimes=None, generation=1, **options):
        """Start ``counts[i]`` replicas of each stage i; returns the route and workers by stage."""
        devices = [[f"d{stage}{chr(97 + i)}" for i in range(n)] for stage, n in enumerate(counts)]
        made = runtimes or (lambda stage, replica: None)
        workers = []
        for stage, names in enumerate(devices):
            peers = Peers(
                upstream=_peers(devices, stage - 1), downstream=_peers(devices, stage + 1)
            )
            assignment = msgspec.structs.replace(
                chain_assignment(stage, len(counts), contract(), generation), peers=peers
            )
            workers.append(
                [self.worker(assignment, d, made(stage, i), **options) for i, d in enumerate(names)]
            )
        stages = tuple(
            RouteStage(stage=stage, device=device, segment="s", runtime="identity")
            for stage, names in enumerate(devices)
            for device in names
        )
        route = Route(
            pipeline="p", generation=generation, epoch=1, manifest="m", stages=stages,
            receives=(X,), outputs=(X,),
        )  # fmt: skip
        self.routes.append(route)
        return route, workers

    def client(self, route, name="client-a", *, host=""):
        """Connect a client, by default from another host than the workers'."""
        link = self.link(f"c:{name}")
        plane = DataPlane(self.site, route.pipeline, name, link, host=host)
        self._ending.append(plane.close)
        plane.start(1)
        return Client(plane, link, route)

    def stranger(self, name="stranger"):
        """Connect someone who keeps to no rule."""
        return Stranger(self, name)

    def lane(self, stage=0, generation=1):
        """Return the address of a worker's lane."""
        return self.site.lane(f"d{stage}", "p", Lane(generation, stage))

    def end(self):
        """Kill what still runs."""
        for call in self._ending:
            call()


def contract(receives=(X,), sends=None, inputs=None, outputs=None):
    """Return a stage's contract; by default it passes ``x`` on."""
    sends = receives if sends is None else sends
    return Contract(
        receives=receives,
        sends=sends,
        inputs=receives if inputs is None else inputs,
        outputs=sends if outputs is None else outputs,
    )


def chain_assignment(stage, count, agreed, generation=1):
    """Return the assignment of one stage of a chain over devices d0, d1..."""
    upstream = (Peer(device=f"d{stage - 1}", stage=stage - 1),) if stage else ()
    downstream = (Peer(device=f"d{stage + 1}", stage=stage + 1),) if stage + 1 < count else ()
    return Assignment(
        pipeline="p", generation=generation, stage=stage, segment="s", format="onnx", files=(),
        contract=agreed, runtime="identity", limits=Limits(),
        peers=Peers(upstream=upstream, downstream=downstream),
    )  # fmt: skip


def _peers(devices, stage):
    known = devices[stage] if 0 <= stage < len(devices) else []
    return tuple(Peer(device=device, stage=stage) for device in known)


def numbered(count, size=3):
    """Yield inputs that can be told apart: frame n is full of n."""
    for number in range(count):
        yield {"x": np.full(size, number, np.float32)}


def data_frame(array, sequence=0, *, stream=77, generation=1, stage=0, **fields):
    """Return a frame as a client would send it, but for its position."""
    return Frame(
        fields.pop("kind", Kind.DATA), stream, sequence, generation=generation, stage=stage,
        tensors=codecs.tensors({"x": array}), **fields,
    )  # fmt: skip


class Tools:
    """The names above, for the tests of this folder."""

    Scripted = Scripted
    balanced = staticmethod(balanced)
    contract = staticmethod(contract)
    chain_assignment = staticmethod(chain_assignment)
    data_frame = staticmethod(data_frame)
    eventually = staticmethod(eventually)
    failure = staticmethod(lambda text: RuntimeFailedError("scripted", text))
    numbered = staticmethod(numbered)


@pytest.fixture
def tools():
    """Return what the tests make things with."""
    return Tools


@pytest.fixture
def fleet(tmp_path, monkeypatch):
    """Return a site that is ended with the test; a worker that failed fails it.

    A word on a frame that ended by deadline may come late where much else is done.
    """
    monkeypatch.setattr(streams, "LATE_SECONDS", PATIENCE_SECONDS)
    made = Fleet(tmp_path)
    yield made
    made.end()
    assert [worker.failure for worker in made.workers if worker.failure] == []
