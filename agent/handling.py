"""What a worker spends on a frame beside its run and its links: checks, credit, queues, counts.

The real `Serving` of a last stage takes frames from a link that drops what is sent; whoever hands
one over runs it, as a link's reader does. In turns with it, the same frames are decoded, run and
encoded, and nothing else: that much is in what a link is measured to cost. The run itself is in
both, since after it everything else is cold.
"""

import queue
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from agent.channel import BrokerAccess, Load
from agent.runtimes import Runtime, Tensors
from agent.worker.serving import Serving
from agent.worker.stage import Stage
from wire import codecs, frame
from wire.buffers import Buffer
from wire.frame import Frame, Kind
from wire.hop.sender import HopSender
from wire.links import Receive
from wire.messages import Assignment, Contract
from wire.random_number import random_number
from wire.tensors import TensorSpec
from wire.topics import Site

MOST_FRAMES: Final = 40
LEAST_FRAMES: Final = 3
SETTLE_SECONDS: Final = 0.002
"""After a result: until then the worker has counted it, and sleeps."""
PATIENCE_SECONDS: Final = 60.0
_CLIENT: Final = "measuring"
_BYTES: Final = 1 << 30
_KIND_AT: Final = 6
"""In a frame's head."""


def handling_seconds(runtime: Runtime, inputs: Tensors, seconds: float) -> float:
    """Return the processor time of one frame.

    Args:
        runtime: Opened; it is not closed.
        inputs: Of every frame.
        seconds: How long it may take.

    Raises:
        RuntimeFailedError: There is no result.
    """
    counted = _Counted(runtime)
    made = codecs.tensors(inputs)
    results = codecs.tensors(counted.run(inputs))
    contract = Contract(
        receives=_specs(made), sends=_specs(results), inputs=_specs(made), outputs=_specs(results)
    )
    worker = _Worker(contract, counted)
    served: list[float] = []
    bare: list[float] = []
    ends = time.monotonic() + seconds
    try:
        while len(served) < MOST_FRAMES:
            if len(served) >= LEAST_FRAMES and time.monotonic() > ends:
                break
            data = worker.frame(made)
            served.append(_spent(counted, partial(worker.take, data)))
            bare.append(_spent(counted, partial(_barely, counted, data)))
    finally:
        worker.close()
    return max(0.0, statistics.median(served) - statistics.median(bare))


class _Counted:
    """A runtime that counts the processor time of its runs."""

    def __init__(self, runtime: Runtime) -> None:
        self.seconds = 0.0
        self.any_thread = runtime.any_thread
        self._runtime = runtime

    def run(self, inputs: Tensors) -> Tensors:
        began = time.process_time()
        outputs = self._runtime.run(inputs)
        self.seconds += time.process_time() - began
        return outputs

    def close(self) -> None:
        """Leave the runtime open: it is somebody else's."""


class _Dropping:
    """A link that takes what is sent; results are told of."""

    up = True
    reads_on = True

    def __init__(self) -> None:
        self.receive: dict[str, Receive] = {}
        self.results: queue.SimpleQueue[None] = queue.SimpleQueue()  # one at a time

    def listen(self, address: str, receive: Receive) -> None:
        self.receive[address] = receive

    def start(self, timeout_seconds: float) -> None:
        """Be up, as it is from the beginning."""

    def close(self) -> None:
        """Do nothing: there is nothing open."""

    def send(self, _address: str, buffers: Sequence[Buffer]) -> None:
        # what asks for credit is neither; a run that failed does so again where it is barely run
        if memoryview(buffers[0])[_KIND_AT] in {Kind.RESULT, Kind.ERROR}:
            self.results.put(None)


class _Worker:
    """A stage that serves in a thread of this process."""

    def __init__(self, contract: Contract, runtime: _Counted) -> None:
        assignment = Assignment(
            pipeline="measured", generation=1, stage=0, segment="s", format="onnx", files=(),
            contract=contract, runtime="measured",
        )  # fmt: skip
        site, self._link = Site(), _Dropping()
        order = Load(
            device="here", site=site.site, root=site.root, assignment=assignment, folder=Path(),
            broker=BrokerAccess(url="mqtt://nowhere"), threads=1, weights="prepacked",
            inbox_frames=16, inbox_bytes=_BYTES, max_frame_bytes=_BYTES,
        )  # fmt: skip
        stage = Stage("here", site, assignment, random_number(), clock="0" * 16)
        given: Any = (self._link, runtime)  # as much of both as it uses
        self._serving = Serving(stage, order, *given)
        self._serving.open_input()
        self._lane = stage.inbox_address()
        self._sender = HopSender(random_number(), _CLIENT, credited=False)
        self._over = threading.Event()
        self._thread = threading.Thread(
            target=self._serving.serve_until, args=(self._over.is_set,), daemon=True
        )
        self._thread.start()

    def frame(self, tensors: Any) -> bytes:
        """Return the next frame, whole, as a link hands it over."""
        position = self._sender.sent(None, 0)
        made = Frame(
            Kind.DATA, 1, position.frames_before, generation=1,
            meta={"client": _CLIENT, "hop": list(position)}, tensors=tensors,
        )  # fmt: skip
        return b"".join(frame.encode(made))

    def take(self, data: Buffer) -> None:
        """Let a frame arrive, and wait for its result."""
        work = self._link.receive[self._lane](self._lane, data)
        if work is not None:
            work()
        self._link.results.get(timeout=PATIENCE_SECONDS)
        time.sleep(SETTLE_SECONDS)

    def close(self) -> None:
        """End its thread."""
        self._over.set()
        self._thread.join(PATIENCE_SECONDS)


def _barely(runtime: _Counted, data: Buffer) -> None:
    """Do what a link's two ends do with a frame, and run it."""
    taken = frame.decode(data)
    frame.encode(Frame(Kind.CREDIT, 0, 0, meta={"n": 1}))
    outputs = runtime.run(codecs.arrays(taken))
    frame.encode(Frame(Kind.RESULT, 1, 1, meta={"n": 1}, tensors=codecs.tensors(outputs)))


def _spent(runtime: _Counted, action: Callable[[], None]) -> float:
    """Return the processor time of this process for something, without runs."""
    began, running = time.process_time(), runtime.seconds
    action()
    return time.process_time() - began - (runtime.seconds - running)


def _specs(tensors: Any) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(name=t.name, dtype=t.dtype, shape=t.shape) for t in tensors)
