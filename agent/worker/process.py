"""A worker's life: obey the supervisor's orders, beat, serve; end when the supervisor is gone.

Three threads beside the link's: the main thread obeys and computes, one reads the socket pair (and
ends the process at once when it closes: no orphans), one sends heartbeats and counts.
"""

import os
import queue
import socket
import threading
import time
from typing import Final

import structlog

from agent import channel, logs, memory_limit, orphans
from agent.channel import (
    HEARTBEAT_SECONDS,
    CloseInput,
    Inflow,
    Load,
    OpenInput,
    Order,
    UseAccelerator,
    WarmUp,
)
from agent.opening import checked_segment
from agent.worker import data_limit
from agent.worker.engine import PACKAGE, Engine
from agent.worker.serving import Serving
from agent.worker.stage import Stage
from wire import plugins
from wire.allocator import give_back, share_one_heap
from wire.clock import clock_id
from wire.errors import CodedError
from wire.random_number import random_number
from wire.topics import Site

log = structlog.get_logger()

HANGS: Final = 3
"""The exit status of a process that does not come back from a call into a library."""
STATS_BEATS: Final = 2
"""Counts are sent with every second heartbeat."""


class Worker:
    """One process's state. ``run`` obeys until the input is closed and drained."""

    def __init__(self, supervisor: socket.socket) -> None:
        self._supervisor = supervisor
        self._sending = threading.Lock()
        self._orders: queue.Queue[Order] = queue.Queue()  # the supervisor sends a few at most
        self._engine: Engine | None = None
        self._serving: Serving | None = None
        self._looking = threading.Lock()
        self._closing = False

    def run(self) -> int:
        """Obey orders; returns the exit status."""
        for target in (self._listen, self._beat):
            threading.Thread(target=target, daemon=True, name=target.__name__).start()
        try:
            self._obey()
        except CodedError as error:
            log.warning("worker.failed", code=error.code, error=str(error))
            self._report(channel.Failed(code=error.code, message=str(error)))
        except MemoryError as error:
            self._report(channel.Failed(code=memory_limit.CODE, message=data_limit.reached(error)))
        except Exception as error:  # the reason must reach the supervisor
            text = f"{type(error).__name__}: {error}"
            if data_limit.is_near():  # such as a thread that could not be started
                text = data_limit.reached(MemoryError(text))
                self._report(channel.Failed(code=memory_limit.CODE, message=text))
                return 1
            log.exception("worker.failed")
            self._report(channel.Failed(code="internal", message=text))
        else:
            return 0
        return 1

    def _obey(self) -> None:
        while True:
            match self._orders.get():
                case Load() as order:
                    self._load(order)
                case WarmUp():
                    began = time.monotonic()
                    largest = self._loaded().warm_up()
                    seconds = time.monotonic() - began
                    self._report(channel.Warmed(seconds=seconds, max_abs_diff=largest))
                case OpenInput():
                    self._loaded().open_input()
                    self._report(channel.Opened())
                    self._loaded().serve(self._close_ordered)
                    self._report(channel.Drained())
                    return
                case UseAccelerator():
                    pass  # it was sent just before the input was opened; it comes again
                case CloseInput():
                    self._report(channel.Drained())
                    return

    def _load(self, order: Load) -> None:
        began = time.monotonic()
        with data_limit.held(order.memory_bytes):
            checked_segment(order.folder)
        engine = self._engine = Engine(order, self._report)
        plugins.load(PACKAGE, engine.runtime).detect()  # imports its library
        data_limit.hold(order.memory_bytes)
        engine.open()
        stage = Stage(
            device=order.device,
            site=Site(order.site, order.root),
            assignment=order.assignment,
            instance=random_number(),
            clock=clock_id(),
        )
        self._serving = Serving(stage, order, runtime=engine)
        give_back()  # weights as they were before the runtime put them in another order
        seconds = time.monotonic() - began
        self._report(channel.Loaded(runtime=engine.runtime, seconds=seconds))

    def _loaded(self) -> Serving:
        if self._serving is None:
            raise channel.ChannelError("ordered to warm up or serve before loading")
        return self._serving

    def _close_ordered(self) -> bool:
        """Whether the input shall be closed; what else is ordered is passed on.

        Any thread may ask: who runs frames, and who waits for credit.
        """
        with self._looking:
            while not (self._closing or self._orders.empty()):
                order = self._orders.get_nowait()  # nobody else takes any
                if isinstance(order, UseAccelerator):
                    assert self._engine is not None
                    self._engine.use_accelerator()
                else:
                    self._closing = True
            return self._closing

    def _listen(self) -> None:
        inflow = Inflow()
        try:
            while data := self._received():
                for order in inflow.orders(data):
                    self._orders.put(order)
        finally:
            os._exit(
                orphans.ORPHANED
            )  # also when it cannot be understood: nobody else would see the end

    def _received(self) -> bytes:
        try:
            return self._supervisor.recv(1 << 16)
        except OSError:
            return b""

    def _beat(self) -> None:
        beats = 0
        while True:
            time.sleep(HEARTBEAT_SECONDS)
            beats += 1
            if self._engine is not None and (hung := self._engine.overdue()) is not None:
                self._report(hung)
                os._exit(HANGS)  # nothing else ends a call that does not
            serving = self._serving
            if serving is not None and beats % STATS_BEATS == 0:
                self._report(channel.Stats(latency=serving.snapshot()))
            else:
                self._report(channel.Beat())

    def _report(self, message: channel.Report) -> None:
        with self._sending:
            try:
                self._supervisor.sendall(channel.encode(message))
            except OSError:
                os._exit(orphans.ORPHANED)


def main(descriptor: int) -> int:
    """Run a worker on the socket pair's end ``descriptor``; returns the exit status."""
    share_one_heap()
    orphans.die_with_parent()
    orphans.die_before_parent()
    logs.configure_from_environment()
    return Worker(socket.socket(fileno=descriptor)).run()
