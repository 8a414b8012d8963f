"""Frames over MQTT with paho-mqtt: the reference, and the one that works with any broker.

paho takes and gives whole payloads as ``bytes``: one copy on each side. Frames above the packet
limit travel as chunks.
"""

import time
from collections.abc import Sequence
from typing import Final

from wire import chunk
from wire.buffers import Buffer
from wire.frame import Kind
from wire.frame_memory import allocate
from wire.links import REASSEMBLY_BYTES, LinkOptions, Receive
from wire.session import Events, Session

_CHUNK: Final = bytes([Kind.CHUNK])


class PahoLink:
    """A link over one MQTT connection."""

    reads_on = False

    def __init__(self, options: LinkOptions) -> None:
        self._options = options
        self._reassembler = chunk.Reassembler(
            allocate,
            max_frame_bytes=options.max_frame_bytes,
            max_bytes=max(REASSEMBLY_BYTES, options.max_frame_bytes),
            given_up=options.on_fault,
        )
        self._session = Session(
            options.url,
            options.client_id,
            access=options.access,
            keepalive_seconds=options.keepalive_seconds,
            events=Events(
                up=lambda _: options.on_up(), problem=options.on_problem, fault=options.on_fault
            ),
        )

    @property
    def up(self) -> bool:
        """Whether the connection stands."""
        return self._session.up

    def start(self, timeout_seconds: float) -> None:
        """See ``Link``."""
        self._session.start()
        self._session.wait_up(timeout_seconds)

    def listen(self, address: str, receive: Receive) -> None:
        """See ``Link``."""

        def on_packet(topic: str, payload: bytes) -> None:
            if payload[6:7] == _CHUNK:
                whole = self._reassembler.add(payload, topic, time.monotonic())
                if whole is not None:
                    receive(topic, whole)
            else:
                receive(topic, payload)

        self._session.subscribe(address, 0, on_packet)

    def send(self, address: str, buffers: Sequence[Buffer]) -> None:
        """See ``Link``."""
        limit = chunk.chunk_bytes(self._options.max_packet_bytes, self._session.max_packet_bytes)
        for packet in chunk.split(buffers, limit):
            self._session.publish(address, b"".join(packet))

    def close(self) -> None:
        """See ``Link``."""
        self._session.stop()


PLUGIN = PahoLink
