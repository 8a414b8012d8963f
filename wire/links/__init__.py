"""Links: how frames get from one process to another; one file each, named as plans name them.

A link delivers whole frames to *addresses* (lane, credit and client topics, whatever carries
them), in order for each sender and address, or not at all: it may lose frames, and what is above
it counts them. To add one: write ``wire/links/<name>.py`` with a class that fits ``Link`` and
``PLUGIN = ThatClass``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from wire import plugins
from wire.access import Access
from wire.attempts import Trouble
from wire.broker_url import BrokerUrl
from wire.buffers import Buffer
from wire.frame import MAX_FRAME_BYTES
from wire.reading import Work

Receive = Callable[[str, Buffer], Work | None]
"""Called in the link's reader thread with the address and a whole frame's bytes, which belong to
the callee from then on. Must not block: what takes long can be returned where the link
``reads_on``, and is done while another thread reads."""

REASSEMBLY_BYTES: Final = 256 << 20
"""All unfinished frames of one link together."""


@dataclass(frozen=True, slots=True)
class Meeting:
    """How two processes of one host find each other when they are told nothing else."""

    folder: Path
    """For nobody else to enter; each address that is listened to has a file in it."""
    token: str
    """At least 32 characters that only the two know; see `wire.direct.handshake`."""


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """What a link needs to know to open."""

    url: BrokerUrl
    client_id: str
    access: Access | None = None
    max_packet_bytes: int | None = None
    """The broker's packet limit as configured; None: not known."""
    max_frame_bytes: int = MAX_FRAME_BYTES
    """Larger frames are refused."""
    keepalive_seconds: float = 30.0
    """A connection on which nothing is heard is given up after one and a half of it."""
    works: bool = False
    """Whether ``receive`` returns work where it may."""
    meeting: Meeting | None = None
    """For links without a broker: ``tcp`` and ``uds``."""
    on_up: Callable[[], None] = lambda: None
    """Called at each connection, in the link's thread."""
    on_problem: Callable[[Trouble], None] = lambda _: None
    """Called when no connection comes about and when its reason changes; ``on_up`` ends it."""
    on_fault: Callable[[Exception], None] = lambda _: None
    """Called with what ``receive`` raised, and with each chunk or unfinished frame that is dropped;
    the link goes on."""


class Link(Protocol):
    """A connection that carries frames."""

    @property
    def up(self) -> bool:
        """Whether frames can be sent now."""
        ...

    @property
    def reads_on(self) -> bool:
        """Whether ``receive`` may return work now. Asked for each frame."""
        ...

    def start(self, timeout_seconds: float) -> None:
        """Connect and listen.

        Raises:
            BrokerUnreachableError: Nothing answered in time; the link goes on trying.
            BrokerRefusedError: The other side will not have us.
            AccessFileError: A file of ours cannot be used; the link goes on trying.
        """
        ...

    def listen(self, address: str, receive: Receive) -> None:
        """Deliver what is sent to ``address`` to ``receive``; call it before ``start``."""
        ...

    def send(self, address: str, buffers: Sequence[Buffer]) -> None:
        """Send one encoded frame. The buffers may be reused when this returns.

        Raises:
            LinkDownError: Not connected; the frame was not sent.
        """
        ...

    def close(self) -> None:
        """Send what was handed over, then disconnect; closing twice is harmless."""
        ...


def open_link(name: str, options: LinkOptions) -> Link:
    """Return a link of the plugin ``name``, not yet started.

    MQTT inside a WebSocket is spoken by paho, whichever MQTT link is asked for.

    Raises:
        UnknownPluginError: No such link.
    """
    if name == "mqtt" and options.url.websocket:
        name = "paho"
    link: Link = plugins.load("wire.links", name)(options)
    return link
