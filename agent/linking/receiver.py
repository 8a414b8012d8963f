"""The end that takes frames: decodes each as a worker would, and answers it with a small one."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from agent.linking.setup import Setup
from agent.worker import own_addresses
from wire import broker_url, codecs, frame, link_names
from wire.buffers import Buffer
from wire.clock import clock_id
from wire.closing import Closing
from wire.direct import endpoint, pinned, sockets
from wire.direct.connection import Connection, Events
from wire.direct.endpoint import Endpoint, Tcp, Uds
from wire.direct.proving import Arrival, Door
from wire.direct.server import Server
from wire.errors import LinkDownError
from wire.frame import Frame, Kind
from wire.links import Link, LinkOptions, open_link

CONNECT_SECONDS: Final = 10.0
END: Final = "end"
"""The meta key of the frame after which nothing more comes."""
CPU: Final = "cpu_ns"
"""The meta key of an answer that says what the receiver has used so far."""


class Receiver(Closing):
    """Listens as its setup says; `ended` is set by the sender's last frame.

    Raises:
        EndpointError: It cannot listen there.
        BrokerUnreachableError: There is no broker.
    """

    def __init__(self, setup: Setup) -> None:
        self.ended = threading.Event()
        self.frames = 0
        self.offers: list[Any] = []
        self._setup = setup
        self._servers: list[Server] = []
        self._standing: list[Connection] = []
        self._link: Link | None = None
        if setup.order.link in link_names.BROKERED:
            self._listen_at_broker()
        else:
            self.offers = endpoint.to_meta(list(self._opened()))

    def close(self) -> None:
        """Close everything; closing twice is harmless."""
        for server in self._servers:
            server.close()
        for connection in self._standing:
            connection.close()
        if self._link is not None:
            self._link.close()

    def _listen_at_broker(self) -> None:
        link = self._link = open_link(self._setup.order.link, options(self._setup))

        def take(_address: str, data: Buffer) -> None:
            self._take(data, lambda buffers: link.send(self._setup.answer_address, buffers))

        link.listen(self._setup.frame_address, take)
        link.start(CONNECT_SECONDS)

    def _opened(self) -> list[Endpoint]:
        setup, access = self._setup, self._setup.direct
        door = Door(
            address=setup.frame_address,
            token=setup.order.token,
            senders={setup.sender: pinned.der(setup.order.peer_certificate)},
            own_file=access.certificate_file,
        )
        if setup.order.link == "uds":
            self._serve(sockets.listen_uds(access.folder, door.address), door)
            return [Uds(folder=str(access.folder), host=clock_id())]
        if access.host is None:
            return []
        listener = sockets.listen_tcp(access.host, access.first_port, access.last_port)
        port = self._serve(listener, door)
        addresses = access.addresses or own_addresses.of(access.host)
        return [Tcp(addresses=addresses, port=port, host=clock_id())]

    def _serve(self, listener: Any, door: Door) -> int:
        server = Server(listener, door, self._arrived)
        self._servers.append(server)
        server.start()
        return server.port

    def _arrived(self, arrival: Arrival) -> None:
        events = Events(receive=lambda by, data: self._take(data, by.send))
        limit = self._setup.max_frame_bytes
        connection = Connection(
            arrival.stream, arrival.link, arrival.sender, events, limit, arena=arrival.arena
        )
        self._standing.append(connection)
        connection.start()

    def _take(self, data: Buffer, answer: Callable[[Sequence[Buffer]], None]) -> None:
        taken = frame.decode(data)
        codecs.arrays(taken)
        self.frames += 1
        meta = {CPU: time.process_time_ns()}
        made = Frame(Kind.CREDIT, taken.stream, taken.sequence, meta=meta)
        try:
            answer(frame.encode(made))
        except LinkDownError:
            return  # the sender finds out
        if END in taken.meta:
            self.ended.set()


def options(setup: Setup) -> LinkOptions:
    """Return how an end opens the broker's link: as a worker does."""
    return LinkOptions(
        url=broker_url.parse(setup.broker.url),
        client_id=setup.client_id,
        access=setup.access,
        max_packet_bytes=setup.broker.max_packet_bytes,
        max_frame_bytes=setup.max_frame_bytes,
    )
