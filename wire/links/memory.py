"""Frames between threads of one process: the same promises as a broker's, without one.

For tests: `paceline`'s own data plane runs over it unchanged. ``MemoryLink.lose`` lets a test lose
frames as a broker with a full queue does.
"""

import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Final

from wire.buffers import Buffer
from wire.errors import LinkDownError
from wire.frame_memory import allocate
from wire.links import LinkOptions, Receive

QUEUED_FRAMES: Final = 1024
"""Frames under way to one link; when full, the oldest is lost, as a broker would."""

_Delivery = tuple[Receive, str, Buffer]
_hubs: dict[str, dict[str, "MemoryLink"]] = {}
_lock = threading.Lock()


class MemoryLink:
    """A link to every other memory link with the same URL host."""

    reads_on = False
    lose: Callable[[str], bool]
    """Asked for each frame sent; True loses it."""

    def __init__(self, options: LinkOptions) -> None:
        self._options = options
        self._listeners: dict[str, Receive] = {}
        self._queue: queue.Queue[_Delivery | None] = queue.Queue(QUEUED_FRAMES)
        self._arriving = threading.Lock()
        self._up = False
        self.lose = lambda _: False
        self._thread = threading.Thread(target=self._deliver, daemon=True, name="memory link")

    @property
    def up(self) -> bool:
        """Whether the link was started and not closed."""
        return self._up

    def start(self, timeout_seconds: float) -> None:  # noqa: ARG002 the port's shape
        """See ``Link``."""
        with _lock:
            hub = _hubs.setdefault(self._options.url.host, {})
            hub.update(dict.fromkeys(self._listeners, self))
        self._up = True
        self._thread.start()
        self._options.on_up()

    def listen(self, address: str, receive: Receive) -> None:
        """See ``Link``."""
        self._listeners[address] = receive

    def send(self, address: str, buffers: Sequence[Buffer]) -> None:
        """See ``Link``."""
        if not self._up:
            raise LinkDownError(f"memory:{self._options.client_id}")
        with _lock:
            target = _hubs.get(self._options.url.host, {}).get(address)
        if target is None or self.lose(address):
            return
        memory = allocate(sum(memoryview(b).nbytes for b in buffers))
        view, at = memoryview(memory), 0
        for buffer in buffers:
            piece = memoryview(buffer).cast("B")
            view[at : at + piece.nbytes] = piece
            at += piece.nbytes
        target.take(address, memory)

    def take(self, address: str, frame: Buffer) -> None:
        """Queue a frame for this link's reader thread; a closed link loses it."""
        with self._arriving:
            if self._up:
                self._queue_up((self._listeners[address], address, frame))

    def close(self) -> None:
        """See ``Link``."""
        with _lock:
            hub = _hubs.get(self._options.url.host, {})
            for address in self._listeners:
                if hub.get(address) is self:
                    del hub[address]
        with self._arriving:
            was_up, self._up = self._up, False
            if was_up:
                self._queue_up(None)
        if was_up and self._thread is not threading.current_thread():
            self._thread.join()

    def _queue_up(self, item: _Delivery | None) -> None:
        """Append an item; the caller holds ``_arriving``, so only the reader thread takes away."""
        if self._queue.full():
            with contextlib.suppress(queue.Empty):
                self._queue.get_nowait()
        self._queue.put_nowait(item)

    def _deliver(self) -> None:
        while (delivery := self._queue.get()) is not None:
            receive, address, frame = delivery
            try:
                receive(address, frame)
            except Exception as error:  # noqa: BLE001 a link outlives what its callee does
                self._options.on_fault(error)


PLUGIN = MemoryLink
