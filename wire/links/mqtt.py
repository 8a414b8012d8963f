"""Frames over MQTT with a client of our own: what is sent and received is not copied.

A frame's buffers go to the kernel as they are, behind a few bytes of MQTT; a payload is received
straight into a fresh aligned array, a chunk's straight into the memory of the whole frame. It does
QoS 0 alone, which is what frames need. Frames above the packet limit travel as chunks.
"""

import time
from collections.abc import Sequence
from typing import Final

from wire import chunk
from wire.access import Access
from wire.buffers import Buffer
from wire.chunk import Reassembler, Slot
from wire.errors import FrameError, LinkDownError
from wire.frame import Kind
from wire.frame_memory import FrameMemory, allocate
from wire.keeper import Keeper
from wire.links import REASSEMBLY_BYTES, LinkOptions, Receive
from wire.mqtt.connection import CONNECT_SECONDS, MqttConnection, Wishes
from wire.mqtt.inflow import Coming
from wire.reading import Work
from wire.stream_errors import StreamClosedError, StreamFullError, StreamStalledError

_KIND_AT: Final = 6
"""Where a frame says its kind."""
_CHUNK: Final = int(Kind.CHUNK)
CLOSE_SECONDS: Final = 5.0
"""A broker has so long to close the connection behind our DISCONNECT."""


class MqttLink:
    """A link over one MQTT connection."""

    def __init__(self, options: LinkOptions) -> None:
        self._options = options
        self._lanes: dict[str, _Lane] = {}
        self._reassembler = Reassembler(
            allocate,
            max_frame_bytes=options.max_frame_bytes,
            max_bytes=max(REASSEMBLY_BYTES, options.max_frame_bytes),
            given_up=options.on_fault,
        )
        self.up = False
        """Whether the connection stands. (Asked for each frame: no property.)"""
        self.reads_on = False
        """Whether ``receive`` may return work."""
        self._connection: MqttConnection | None = None
        """The one that is made, or stands."""
        self._open: tuple[MqttConnection, int] | None = None
        """The one that frames can be sent by, and how many bytes of them a packet carries."""
        self._keeper = Keeper(
            options.url, f"mqtt link {options.client_id}", self._one_connection, options.on_problem
        )

    def start(self, timeout_seconds: float) -> None:
        """See ``Link``."""
        self._keeper.start()
        self._keeper.wait_up(timeout_seconds)

    def listen(self, address: str, receive: Receive) -> None:
        """See ``Link``."""
        self._lanes[address] = _Lane(self._options, self._reassembler, address, receive)

    def send(self, address: str, buffers: Sequence[Buffer]) -> None:
        """See ``Link``."""
        if (opened := self._open) is None:
            raise LinkDownError(str(self._options.url))
        connection, limit = opened
        size = 0
        for buffer in buffers:
            size += memoryview(buffer).nbytes
        try:
            if size <= limit:
                connection.publish(address, buffers, size)
            else:
                connection.publish_each(address, chunk.split(buffers, limit))
        except (StreamClosedError, StreamStalledError, StreamFullError) as error:
            raise LinkDownError(str(self._options.url)) from error

    def close(self) -> None:
        """See ``Link``."""
        self._keeper.stopping.set()
        self.up, self._open = False, None
        connection = self._connection
        if connection is not None:
            connection.leave()
            if connection.read_here:  # a callback closes it: its end is read after that
                connection.abort()
                return
            self._keeper.join(CLOSE_SECONDS)
            connection.abort()
        self._keeper.join(CONNECT_SECONDS + 1)

    def _one_connection(self, _number: int) -> float | None:
        """Make one connection and read until its end; see ``Keeper``."""
        keeper, options = self._keeper, self._options
        wishes = Wishes(
            options.client_id,
            self._lanes,
            options.keepalive_seconds,
            options.max_frame_bytes + chunk.OVERHEAD_BYTES,
            self._risen,
            lambda: self._reassembler.expire(time.monotonic()),
            options.works,
        )
        dialect = keeper.attempts.dialect
        connection = MqttConnection(options.url, dialect, options.access or Access(), wishes)
        began = time.monotonic()
        self._connection = connection
        try:
            if not keeper.stopping.is_set():
                connection.run()
        except Exception as error:  # noqa: BLE001 whatever it is, this thread goes on and says so
            if not keeper.up.is_set():
                keeper.not_made(error)
                return None
            options.on_fault(error)
        finally:
            self.up = self.reads_on = False
            self._connection = self._open = None
        was_up = keeper.up.is_set()
        keeper.up.clear()
        keeper.contested = connection.taken_over
        if was_up:
            return time.monotonic() - began
        if not keeper.stopping.is_set():
            silent_seconds = options.keepalive_seconds if connection.silent else None
            ended = keeper.attempts.ended
            keeper.tell(ended(connection.refusal, connection.answered, silent_seconds))
        return None

    def _risen(self) -> None:
        connection = self._connection
        if connection is None or self._keeper.stopping.is_set():
            return
        limit = chunk.chunk_bytes(self._options.max_packet_bytes, connection.max_packet_bytes)
        self._open, self.up = (connection, limit), True
        self.reads_on = connection.readers.several
        self._keeper.attempts.recovered()
        self._keeper.up.set()
        try:
            self._options.on_up()
        except Exception as error:  # noqa: BLE001 a link outlives what its callees do
            self._options.on_fault(error)


class _Lane:
    """One address that is listened to; one payload comes at a time."""

    def __init__(
        self, options: LinkOptions, reassembler: Reassembler, address: str, receive: Receive
    ) -> None:
        self._address = address
        self._receive = receive
        self._on_fault = options.on_fault
        self._max_frame_bytes = options.max_frame_bytes
        self._reassembler = reassembler
        self._frame_memory = FrameMemory()
        self._memory: Buffer | None = None
        self._slot: Slot | None = None

    def place(self, coming: Coming) -> tuple[memoryview, int] | Work | None:
        """See ``Receiver``: into the frame whose chunk it is, else into fresh memory.

        What is here as a whole is taken at once. What is too large, or follows on nothing, is a
        fault.
        """
        self._memory = self._slot = None  # the last may have ended with its connection
        size, peek = coming.size_bytes, coming.peek
        try:
            if len(peek) > _KIND_AT and peek[_KIND_AT] == _CHUNK:
                slot = self._reassembler.slot(peek, size, self._address, time.monotonic())
                self._slot = slot
                return slot.view, slot.payload_start
            if size > self._max_frame_bytes:
                problem = f"{size} bytes, at most {self._max_frame_bytes} are taken"
                raise FrameError(problem)  # noqa: TRY301 told like what the reassembler raises
            memory = self._frame_memory.take(size)
            if peek.nbytes < size:
                self._memory = memory
                return memory, 0
            memory[:] = peek
            return self._receive(self._address, memory)
        except Exception as error:  # noqa: BLE001 a link outlives what its callees do
            self._on_fault(error)
        return None

    def prepare(self) -> None:
        """See ``Receiver``."""
        self._frame_memory.prepare()

    def full(self) -> Work | None:
        """See ``Receiver``."""
        memory, self._memory = self._memory, None
        if self._slot is not None:
            memory, self._slot = self._reassembler.filled(self._slot), None
        if memory is None:
            return None  # more chunks are to come
        try:
            return self._receive(self._address, memory)
        except Exception as error:  # noqa: BLE001 a link outlives what its callees do
            self._on_fault(error)
        return None


PLUGIN = MqttLink
