"""Frames over MQTT with a client of our own: what is sent and received is not copied.

A frame's buffers go to the kernel as they are, behind a few bytes of MQTT; a payload is received
straight into a fresh aligned array, a chunk's straight into the memory of the whole frame. It does
QoS 0 alone, which is what frames need. Frames above the packet limit travel as chunks.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

from wire import chunk
from wire.access import Access
from wire.buffers import Buffer
from wire.chunk import Reassembler, Slot
from wire.errors import CodedError, FrameError, LinkDownError
from wire.frame import Kind
from wire.keeper import Keeper
from wire.links import REASSEMBLY_BYTES, LinkOptions, Receive, allocate
from wire.mqtt_connection import CONNECT_SECONDS, MqttConnection, Place, Wishes
from wire.mqtt_inflow import Coming
from wire.stream_errors import StreamClosedError, StreamFullError, StreamStalledError

_CHUNK: Final = bytes([Kind.CHUNK])
CLOSE_SECONDS: Final = 5.0
"""A broker has so long to close the connection behind our DISCONNECT."""


class MqttLink:
    """A link over one MQTT connection."""

    def __init__(self, options: LinkOptions) -> None:
        self._options = options
        self._lanes: dict[str, _Lane] = {}
        self._connection: MqttConnection | None = None
        self._keeper = Keeper(
            options.url, f"mqtt link {options.client_id}", self._one_connection, options.on_problem
        )

    @property
    def up(self) -> bool:
        """Whether the connection stands."""
        return self._keeper.up.is_set()

    def start(self, timeout_seconds: float) -> None:
        """See ``Link``."""
        self._keeper.start()
        self._keeper.wait_up(timeout_seconds)

    def listen(self, address: str, receive: Receive) -> None:
        """See ``Link``."""
        self._lanes[address] = _Lane(self._options, address, receive)

    def send(self, address: str, buffers: Sequence[Buffer]) -> None:
        """See ``Link``."""
        connection = self._connection
        if connection is None or not self.up:
            raise LinkDownError(str(self._options.url))
        limit = chunk.chunk_bytes(self._options.max_packet_bytes, connection.max_packet_bytes)
        try:
            connection.publish(address, chunk.split(buffers, limit))
        except (StreamClosedError, StreamStalledError, StreamFullError) as error:
            raise LinkDownError(str(self._options.url)) from error

    def close(self) -> None:
        """See ``Link``."""
        self._keeper.stopping.set()
        self._keeper.up.clear()
        connection = self._connection
        if connection is not None:
            connection.leave()
            self._keeper.join(CLOSE_SECONDS)
            connection.abort()
        self._keeper.join(CONNECT_SECONDS + 1)

    def _one_connection(self, _number: int) -> float | None:
        """Make one connection and read until its end; see ``Keeper``."""
        keeper, options = self._keeper, self._options
        wishes = Wishes(
            options.client_id,
            list(self._lanes),
            options.keepalive_seconds,
            options.max_frame_bytes + chunk.OVERHEAD_BYTES,
            self._risen,
            self._coming,
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
            self._connection = None
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
        if self._keeper.stopping.is_set():
            return
        self._keeper.attempts.recovered()
        self._keeper.up.set()
        _guarded(self._options, self._options.on_up)

    def _coming(self, coming: Coming) -> Place | None:
        lane = self._lanes.get(coming.topic)
        try:
            return lane.place(coming) if lane is not None else None
        except CodedError as error:
            self._options.on_fault(error)
            return None


class _Lane:
    """One address that is listened to."""

    def __init__(self, options: LinkOptions, address: str, receive: Receive) -> None:
        self._options = options
        self._address = address
        self._receive = receive
        self._reassembler = Reassembler(
            allocate,
            max_frame_bytes=options.max_frame_bytes,
            max_bytes=max(REASSEMBLY_BYTES, options.max_frame_bytes),
        )

    def place(self, coming: Coming) -> Place:
        """Return where a message's payload goes.

        Raises:
            FrameError: It is too large, or no chunk of ours.
            ReassemblyError: It does not follow on what came before, or is too large.
        """
        if coming.peek[6:7] == _CHUNK:
            slot = self._reassembler.slot(coming.peek, coming.size_bytes)
            return Place(slot.view, slot.payload_start, lambda: self._filled(slot))
        most = self._options.max_frame_bytes
        if coming.size_bytes > most:
            raise FrameError(f"{coming.size_bytes} bytes, at most {most} are taken")
        memory = allocate(coming.size_bytes)
        return Place(memoryview(memory), 0, lambda: self._deliver(memory))

    def _filled(self, slot: Slot) -> None:
        whole = self._reassembler.filled(slot)
        if whole is not None:
            self._deliver(whole)

    def _deliver(self, memory: Buffer) -> None:
        _guarded(self._options, lambda: self._receive(self._address, memory))


def _guarded(options: LinkOptions, call: Callable[[], None]) -> None:
    try:
        call()
    except Exception as error:  # noqa: BLE001 a link outlives what its callees do
        options.on_fault(error)


PLUGIN = MqttLink
