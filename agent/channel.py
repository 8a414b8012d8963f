"""What supervisor and worker say to each other over their socket pair.

Messages are msgpack, each behind its length in four bytes. Tensors never travel here.
"""

import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from wire.errors import CodedError
from wire.messages import Assignment, Reason
from wire.telemetry import StageLatency

MAX_MESSAGE_BYTES: Final = 4 << 20
HEARTBEAT_SECONDS: Final = 0.5
PARTLY: Final = "accelerator.partly"
"""The code of what runs on the accelerator, but not wholly."""
T = TypeVar("T")
_LENGTH: Final = struct.Struct("<I")


class ChannelError(CodedError):
    """The other side of the socket pair sent something that is no message: a bug in us."""

    code = "channel.malformed"

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"worker channel: {self.problem}; the worker is ended, please report this"


class BrokerAccess(msgspec.Struct, frozen=True, kw_only=True):
    """How a worker reaches the broker for tensors; secrets as paths."""

    url: str
    username: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    client_cert_file: Path | None = None
    client_key_file: Path | None = None
    max_packet_bytes: int | None = None


class DirectAccess(msgspec.Struct, frozen=True, kw_only=True):
    """Where a worker may be connected to directly; see `wire.direct`."""

    folder: Path
    """Of its Unix sockets; our own user's alone."""
    host: str | None = None
    """The address that TCP listens to; None: there is no TCP."""
    first_port: int = 0
    """0: any."""
    last_port: int = 0
    addresses: tuple[str, ...] = ()
    """What others are told to connect to; none: this device's own."""
    certificate_file: Path | None = None
    """Our certificate and its key (PEM); None: no direct link leaves this host."""


class Load(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Scan and open a segment; answered with ``Loaded``."""

    device: str
    site: str
    root: str
    assignment: Assignment
    folder: Path
    """The segment's folder in the store."""
    broker: BrokerAccess
    threads: int
    weights: str
    inbox_frames: int
    inbox_bytes: int
    max_frame_bytes: int
    direct: DirectAccess | None = None
    """None: frames go through the broker alone."""
    memory_bytes: int | None = None
    """Its RLIMIT_DATA; None: none, or another mechanism holds it (`agent.memory_limit`)."""
    without: Reason | None = None
    """Why the accelerator shall not be touched: the runtime's fallback is opened at once."""
    open_seconds: float = 120.0
    """How long opening and warming up an accelerator may take before it counts as lost."""
    accelerator_run_seconds: float = 5.0
    """The same of a run on it."""
    run_seconds: float = 30.0
    """How long a run on anything else may take before it counts as one that hangs."""


class WarmUp(msgspec.Struct, frozen=True, tag=True):
    """Run the golden frame and compare; answered with ``Warmed``."""


class OpenInput(msgspec.Struct, frozen=True, tag=True):
    """Listen on the lane and serve; answered with ``Opened``."""


class UseAccelerator(msgspec.Struct, frozen=True, tag=True):
    """Open what was asked for again, beside its fallback that serves; ``Using`` says what came."""


class CloseInput(msgspec.Struct, frozen=True, tag=True):
    """Finish what is there, take nothing new; answered with ``Drained``."""


Order = Load | WarmUp | OpenInput | UseAccelerator | CloseInput


class Beat(msgspec.Struct, frozen=True, tag=True):
    """The worker's own thread says that the process is alive."""


class Loaded(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The runtime holds the segment."""

    runtime: str
    seconds: float


class Using(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What runs the segment from now on; sent whenever that changes, and when it may."""

    runtime: str
    accelerator: str
    """Empty: not known before it is opened."""
    degraded: Reason | None = None
    """Why that is not, or not wholly, what was asked for."""
    at_stake: bool = False
    """Whether the runtime's fallback takes over if the process ends now: what was asked for is
    being opened, or in use, and has ended it."""


class Warmed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The golden frame gave the expected tensors."""

    seconds: float
    max_abs_diff: float


class Opened(msgspec.Struct, frozen=True, tag=True):
    """The worker listens on its lane."""


class Drained(msgspec.Struct, frozen=True, tag=True):
    """Everything taken is answered."""


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The worker cannot go on, and why."""

    code: str
    message: str


class Hung(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A call into a library does not come back; the worker ends itself at once."""

    message: str
    seconds: float
    """How long that took to be seen."""


class Stats(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Counts and histograms since the worker started."""

    latency: StageLatency


Report = Beat | Loaded | Using | Warmed | Opened | Drained | Failed | Hung | Stats

_encoder: Final = msgspec.msgpack.Encoder(enc_hook=str)
_orders: Final = msgspec.msgpack.Decoder(Order, dec_hook=lambda kind, value: kind(value))
_reports: Final = msgspec.msgpack.Decoder(Report)


def encode(message: Order | Report) -> bytes:
    """Return the message with its length before it."""
    body = _encoder.encode(message)
    return _LENGTH.pack(len(body)) + body


class Inflow:
    """Bytes in, whole messages out; for one direction of a channel."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def orders(self, data: bytes) -> Iterator[Order]:
        """Yield the orders that ``data`` completes.

        Raises:
            ChannelError: Not an order.
        """
        for body in self._bodies(data):
            yield _decoded(_orders, body)

    def reports(self, data: bytes) -> Iterator[Report]:
        """Yield the reports that ``data`` completes.

        Raises:
            ChannelError: Not a report.
        """
        for body in self._bodies(data):
            yield _decoded(_reports, body)

    def _bodies(self, data: bytes) -> Iterator[bytes]:
        self._pending += data
        while len(self._pending) >= _LENGTH.size:
            (size,) = _LENGTH.unpack_from(self._pending)
            if size > MAX_MESSAGE_BYTES:
                raise ChannelError(f"a message of {size} bytes")
            end = _LENGTH.size + size
            if len(self._pending) < end:
                return
            body = bytes(self._pending[_LENGTH.size : end])
            del self._pending[:end]
            yield body


def _decoded(decoder: "msgspec.msgpack.Decoder[T]", body: bytes) -> T:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ChannelError(str(error)) from error


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """Return the supervisor's end and the worker's end."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
