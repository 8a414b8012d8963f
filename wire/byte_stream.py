"""A connected socket, TCP, Unix or TLS, for one reader thread and one writing thread at once.

Nothing is joined or copied on a plain socket: `send` hands the caller's buffers to the kernel, and
what is received goes straight into the caller's memory. Waiting is bounded: a peer that takes no
bytes ends the stream, and a reader that hears nothing is called back.

A plain socket blocks in the kernel, with its own time limits: one call for a whole payload. TLS
cannot be used by two threads at once (CPython's `SSLSocket` is not safe), so there each call is
non-blocking and holds a lock for itself only; whoever must wait does so outside of it.
"""

import contextlib
import os
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Final

from wire.buffers import Buffer
from wire.stream_errors import StreamClosedError, StreamStalledError

SEND_SECONDS: Final = 10.0
"""How long a peer may take no byte."""
_MOST_BUFFERS: Final = os.sysconf("SC_IOV_MAX")
_QUICKACK: Final[int | None] = getattr(socket, "TCP_QUICKACK", None)
_RECORD_BYTES: Final = 16 << 10
"""The most that TLS encrypts at once."""


class ByteStream:
    """Sends and receives bytes over a connection, which belongs to it from now on.

    Args:
        sock: Connected; TLS: with its handshake behind it.
        peer: What to call the other side in errors.
        send_seconds: A peer that takes no byte for so long ends the stream.
        quiet_seconds: Call ``on_quiet`` whenever nothing came for so long; None: never.
        on_quiet: Called in the reader thread while it waits; what it raises ends the waiting.
    """

    def __init__(
        self,
        sock: socket.socket,
        peer: str,
        *,
        send_seconds: float = SEND_SECONDS,
        quiet_seconds: float | None = None,
        on_quiet: Callable[[], None] = lambda: None,
    ) -> None:
        self.peer = peer
        self._sock = sock
        self._send_seconds = send_seconds
        self._on_quiet = on_quiet
        self._tcp = sock.family in {socket.AF_INET, socket.AF_INET6}
        self._guard = threading.Lock()
        self._users = 0
        self._closed = False
        self._use = _Use(self._enter, self._leave, self._translated)
        if self._tcp:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._transport: _Plain | _Tls
        if isinstance(sock, ssl.SSLSocket):
            self._transport = _Tls(sock, send_seconds, quiet_seconds)
        else:
            self._transport = _Plain(sock, send_seconds, quiet_seconds)

    def set_quiet(self, seconds: float) -> None:
        """Call ``on_quiet`` whenever nothing came for so long, from now on."""
        self._transport.set_quiet(seconds)

    @property
    def closed(self) -> bool:
        """Whether this side closed it."""
        return self._closed

    def fileno(self) -> int:
        """Return the descriptor, to be waited on; -1: there is none any more."""
        return self._sock.fileno()

    def send(self, buffers: Sequence[Buffer]) -> None:
        """Send the bytes of all buffers in order; they may be reused when this returns.

        Args:
            buffers: C-contiguous, of any shape and element type; empty ones are passed over.

        Raises:
            StreamClosedError: The connection has ended.
            StreamStalledError: The other side took no byte in time; the stream is closed now.
        """
        views = _views(buffers)
        with self._use:
            while views:
                sent = self._transport.send(views)
                if not sent:
                    self.close()
                    raise StreamStalledError(self.peer, self._send_seconds)
                _advance(views, sent)

    def send_now(self, buffers: Sequence[Buffer]) -> list[memoryview]:
        """Send what goes without waiting; returns the rest, which must be what is sent next.

        Raises:
            StreamClosedError: The connection has ended.
        """
        views = _views(buffers)
        with self._use:
            while views and (sent := self._transport.send_now(views)):
                _advance(views, sent)
        return views

    def wait(self) -> bool:
        """Wait until bytes can be received (True), or sent: for a reader that has some to send.

        Raises:
            StreamClosedError: The connection has ended.
        """
        with self._use:
            while (ready := self._transport.wait()) is None:
                self._on_quiet()
            return ready

    def recv_some(self, view: memoryview, *, fill: bool = False) -> int:
        """Wait for bytes and receive some into ``view`` (not empty); returns how many, at least 1.

        ``fill``: wait for all of it, but no longer than until it is quiet.

        Raises:
            StreamClosedError: The connection has ended.
        """
        if not fill:
            self._acknowledge_quickly()
        return self._receive(view, socket.MSG_WAITALL if fill else 0)

    def recv_exactly(self, view: memoryview) -> None:
        """Fill ``view`` (one dimension, of bytes) with what comes.

        Raises:
            StreamClosedError: The connection has ended.
        """
        self._acknowledge_quickly()
        while view.nbytes:
            view = view[self._receive(view, socket.MSG_WAITALL) :]

    @contextlib.contextmanager
    def reading(self) -> Iterator[Callable[[memoryview], None]]:
        """Give a `recv_exactly` that costs half, to a thread that does nothing else all the while.

        It is not quick to acknowledge: for peers that never wait for it (TCP_NODELAY).

        Raises:
            StreamClosedError: The connection has ended.
        """
        receive, on_quiet = self._transport.recv, self._on_quiet

        def fill(view: memoryview) -> None:
            while view.nbytes:
                count = receive(view, socket.MSG_WAITALL)
                if count is None:
                    on_quiet()
                elif not count:
                    raise StreamClosedError(self.peer, self._why_closed())
                else:
                    view = view[count:]

        with self._use:
            yield fill

    def close(self) -> None:
        """End the connection and wake whoever uses it; closing twice is harmless.

        The descriptor is closed by the last thread that leaves, so no other one can get its number
        meanwhile.
        """
        with self._guard:
            if self._closed:
                return
            self._closed = True
            with contextlib.suppress(OSError):  # the other side was first
                # not SSLSocket's own, which would take TLS away from a thread that is in it
                socket.socket.shutdown(self._sock, socket.SHUT_RDWR)
            if not self._users:
                self._sock.close()

    def _receive(self, view: memoryview, flags: int) -> int:
        with self._use:
            while (count := self._transport.recv(view, flags)) is None:
                self._on_quiet()
            if not count:
                raise StreamClosedError(self.peer, self._why_closed())
            return count

    def _acknowledge_quickly(self) -> None:
        """Arm TCP_QUICKACK, which the kernel forgets: without, a peer's Nagle stalls it 40 ms."""
        if self._tcp and _QUICKACK is not None:
            try:
                self._sock.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
            except OSError:
                return  # it is closed: whoever receives is told

    def _why_closed(self) -> str:
        return "closed here" if self._closed else "the other side closed it"

    def _enter(self) -> None:
        with self._guard:
            if self._closed:
                raise StreamClosedError(self.peer, self._why_closed())
            self._users += 1

    def _leave(self) -> None:
        with self._guard:
            self._users -= 1
            if self._closed and not self._users:
                self._sock.close()

    def _translated(self, error: OSError) -> StreamClosedError:
        reason = self._why_closed() if self._closed else error.strerror or str(error)
        return StreamClosedError(self.peer, reason)


class _Use:
    """Around each call to the socket; one object for all threads, since it costs at each frame.

    Args:
        enter: Counts a user in.
        leave: Counts it out.
        translated: Returns our error for the system's.
    """

    __slots__ = ("_enter", "_leave", "_translated")

    def __init__(
        self,
        enter: Callable[[], None],
        leave: Callable[[], None],
        translated: Callable[[OSError], StreamClosedError],
    ) -> None:
        self._enter, self._leave, self._translated = enter, leave, translated

    def __enter__(self) -> None:
        self._enter()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leave()
        if isinstance(error, OSError):
            raise self._translated(error) from error


class _Plain:
    """Waits in the kernel."""

    def __init__(
        self, sock: socket.socket, send_seconds: float, quiet_seconds: float | None
    ) -> None:
        sock.settimeout(None)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(send_seconds))
        self._sock = sock
        self.set_quiet(quiet_seconds)

    def set_quiet(self, seconds: float | None) -> None:
        """Wait so long for what is received; None: for ever."""
        self._quiet_seconds = seconds
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(seconds or 0.0))

    def wait(self) -> bool | None:
        """Wait until some can be received (True) or sent; None: neither, in time."""
        return _readable(_wait(self._sock, select.POLLIN | select.POLLOUT, self._quiet_seconds))

    def send(self, views: Sequence[memoryview], flags: int = 0) -> int:
        """Send some; 0: nothing went in time."""
        try:
            return self._sock.sendmsg(views[:_MOST_BUFFERS], (), flags)
        except BlockingIOError:
            return 0

    def send_now(self, views: Sequence[memoryview]) -> int:
        """Send what goes without waiting."""
        return self.send(views, socket.MSG_DONTWAIT)

    def recv(self, view: memoryview, flags: int) -> int | None:
        """Receive some; None: nothing came in time."""
        try:
            return self._sock.recv_into(view, 0, flags)
        except BlockingIOError:
            return None


class _Tls:
    """Waits beside the lock."""

    def __init__(
        self, sock: ssl.SSLSocket, send_seconds: float, quiet_seconds: float | None
    ) -> None:
        sock.settimeout(0.0)
        self._sock = sock
        self._send_seconds = send_seconds
        self._lock = threading.Lock()
        self.set_quiet(quiet_seconds)

    def set_quiet(self, seconds: float | None) -> None:
        """Wait so long for what is received; None: for ever."""
        self._quiet_seconds = seconds

    def wait(self) -> bool | None:
        """Wait until some can be received (True) or sent; None: neither, in time."""
        with self._lock:
            decrypted = self._sock.pending()
        if decrypted:
            return True
        return _readable(_wait(self._sock, select.POLLIN | select.POLLOUT, self._quiet_seconds))

    def send(self, views: Sequence[memoryview]) -> int:
        """Send some; 0: nothing went in time."""
        data = _record(views)
        ends = time.monotonic() + self._send_seconds
        while not (sent := self._encrypt(data)):
            events = select.POLLOUT if sent is None else select.POLLIN
            if not _wait(self._sock, events, ends - time.monotonic()):
                return 0
        return sent

    def send_now(self, views: Sequence[memoryview]) -> int:
        """Send what goes without waiting."""
        return self._encrypt(_record(views)) or 0

    def recv(self, view: memoryview, _flags: int) -> int | None:
        """Receive some; None: nothing came in time."""
        while True:
            try:
                with self._lock:
                    return self._sock.recv_into(view)
            except ssl.SSLWantReadError:
                events = select.POLLIN
            except ssl.SSLWantWriteError:
                events = select.POLLOUT
            if not _wait(self._sock, events, self._quiet_seconds):
                return None

    def _encrypt(self, data: Buffer) -> int | None:
        """Send some; None and 0: it waits until the socket can be written to and read from."""
        try:
            with self._lock:
                return self._sock.send(data)
        except ssl.SSLWantWriteError:
            return None
        except ssl.SSLWantReadError:
            return 0


def _views(buffers: Sequence[Buffer]) -> list[memoryview]:
    """Return the buffers as bytes; an empty array of several dimensions could not be cast."""
    views = (memoryview(buffer) for buffer in buffers)
    return [view.cast("B") for view in views if view.nbytes]


def _advance(views: list[memoryview], sent: int) -> None:
    """Take away what was sent."""
    whole = 0
    while whole < len(views) and sent >= views[whole].nbytes:
        sent -= views[whole].nbytes
        whole += 1
    del views[:whole]
    if sent:
        views[0] = views[0][sent:]


def _record(views: Sequence[memoryview]) -> Buffer:
    """Return what one TLS record carries; small buffers share one, larger ones are not copied."""
    if len(views) == 1 or views[0].nbytes >= _RECORD_BYTES:
        return views[0]
    pieces, free = [], _RECORD_BYTES
    for view in views:
        pieces.append(view[:free])
        free -= pieces[-1].nbytes
        if not free:
            break
    return b"".join(pieces)


def _wait(sock: socket.socket, events: int, seconds: float | None) -> int:
    """Wait for one socket; returns what it is ready for, 0: nothing in time.

    Other than select, poll takes any descriptor.
    """
    poll = select.poll()
    poll.register(sock, events)
    ready = poll.poll(None if seconds is None else max(0.0, seconds) * 1000)
    return ready[0][1] if ready else 0


def _readable(events: int) -> bool | None:
    """Return whether it is more than room to send; None: nothing."""
    return bool(events & ~select.POLLOUT) if events else None


def _timeval(seconds: float) -> bytes:
    """Return a struct timeval; 0 is no limit, so anything else is at least a microsecond."""
    whole, part = divmod(seconds, 1.0)
    return struct.pack("@ll", int(whole), int(part * 1_000_000) or int(0 < seconds < 1))
