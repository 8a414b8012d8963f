"""A connected socket, TCP, Unix or TLS, for one reader thread and one writing thread at once.

Nothing is joined or copied on a plain socket: `send` hands the caller's buffers to the kernel, and
what is received goes straight into the caller's memory. Waiting is bounded: a peer that takes no
bytes ends the stream, and a reader that hears nothing is called back.

A frame's way leads through here with caches that are cold, so there is little of it. A plain socket
blocks in the kernel, with its own time limits: one call for a whole payload. TLS
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
from collections.abc import Callable, Sequence
from typing import Final

from wire.buffers import Buffer
from wire.stream_errors import StreamClosedError, StreamStalledError

SEND_SECONDS: Final = 10.0
"""How long a peer may take no byte."""
_MOST_BUFFERS: Final = os.sysconf("SC_IOV_MAX")
_RECORD_BYTES: Final = 16 << 10
"""The most that TLS encrypts at once."""


def _nothing() -> None:
    """Do nothing while it is quiet."""


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
        on_quiet: Callable[[], None] = _nothing,
    ) -> None:
        self.peer = peer
        self._sock = sock
        self._send_seconds = send_seconds
        self._on_quiet = on_quiet
        self._closing = threading.Lock()
        self._closed = self._sending = self._receiving = False
        """Who uses the socket says so before it looks whether it is closed, and who closes it does
        so before looking whether it is used: so one of both sees the other, without a lock."""
        self._quickack = None
        if sock.family in {socket.AF_INET, socket.AF_INET6}:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._quickack = getattr(socket, "TCP_QUICKACK", None)
        transport = _Tls(sock, send_seconds) if isinstance(sock, ssl.SSLSocket) else _Plain(sock)
        transport.limit_sending(send_seconds)
        self._transport = transport
        self._sendmsg, self._recv_into = transport.sendmsg, transport.recv_into
        self.set_quiet(quiet_seconds)

    def set_quiet(self, seconds: float | None, call: Callable[[], None] | None = None) -> None:
        """Call ``on_quiet``, or another, whenever nothing came for so long; None: never."""
        self._quiet_seconds, self._on_quiet = seconds, call or self._on_quiet
        self._transport.limit_receiving(seconds)

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
        views, left = [], 0
        for buffer in buffers:  # as in `_sized`: one function less on a frame's way
            view = memoryview(buffer)
            if view.nbytes:
                views.append(view)
                left += view.nbytes
        self._sending = True
        try:
            if self._closed:
                raise self._ended()
            while left:
                sent = self._sendmsg(
                    views if len(views) <= _MOST_BUFFERS else views[:_MOST_BUFFERS]
                )
                left -= sent
                if left:
                    _advance(views, sent)
        except BlockingIOError:
            self.close()
            raise StreamStalledError(self.peer, self._send_seconds) from None
        except OSError as error:
            raise self._ended(error) from error
        except (KeyboardInterrupt, SystemExit):
            self.close()  # what follows would begin in the middle of these bytes
            raise
        finally:
            self._sending = False
            if self._closed:
                self._release()

    def send_now(self, buffers: Sequence[Buffer]) -> list[memoryview]:
        """Send what goes without waiting; returns the rest, which must be what is sent next.

        Raises:
            StreamClosedError: The connection has ended.
        """
        views, left = _sized(buffers)
        self._sending = True
        try:
            if self._closed:
                raise self._ended()
            while left:
                sent = self._sendmsg(views[:_MOST_BUFFERS], (), socket.MSG_DONTWAIT)
                left -= sent
                _advance(views, sent)
        except BlockingIOError:
            pass
        except OSError as error:
            raise self._ended(error) from error
        finally:
            self._sending = False
            if self._closed:
                self._release()
        return views

    def wait(self) -> bool:
        """Wait until bytes can be received (True), or sent: for a reader that has some to send.

        Raises:
            StreamClosedError: The connection has ended.
        """
        self._receiving = True
        try:
            if self._closed:
                raise self._ended()
            if self._transport.pending():
                return True
            either = select.POLLIN | select.POLLOUT
            while not (ready := _wait(self._sock, either, self._quiet_seconds)):
                self._on_quiet()
            return bool(ready & ~select.POLLOUT)
        finally:
            self._receiving = False
            if self._closed:
                self._release()

    def recv_some(self, view: memoryview, *, fill: bool = False) -> int:
        """Wait for bytes and receive some into ``view`` (not empty); returns how many, at least 1.

        ``fill``: wait for all of it, but no longer than until it is quiet.

        Raises:
            StreamClosedError: The connection has ended.
        """
        self._receiving = True
        try:
            if self._closed:
                raise self._ended()
            if self._quickack is not None and not fill:
                # the kernel forgets it; without, a peer's Nagle stalls that peer 40 ms
                self._sock.setsockopt(socket.IPPROTO_TCP, self._quickack, 1)
            while True:
                try:
                    count = self._recv_into(view, 0, socket.MSG_WAITALL if fill else 0)
                except BlockingIOError:
                    self._on_quiet()
                    continue
                if not count:
                    raise self._ended()
                return count
        except OSError as error:
            raise self._ended(error) from error
        finally:
            self._receiving = False
            if self._closed:
                self._release()

    def recv_exactly(self, view: memoryview) -> None:
        """Fill ``view`` (one dimension, of bytes) with what comes.

        Raises:
            StreamClosedError: The connection has ended.
        """
        while view.nbytes:
            view = view[self.recv_some(view, fill=True) :]

    def begin_reading(self) -> Callable[[memoryview], None]:
        """Return a `recv_exactly` that costs half, for one thread at a time, until `end_reading`.

        Raises:
            StreamClosedError: The connection has ended.
        """
        receive, on_quiet = self._recv_into, self._on_quiet

        def fill(view: memoryview) -> None:
            while view.nbytes:
                try:
                    count = receive(view, 0, socket.MSG_WAITALL)
                except BlockingIOError:
                    on_quiet()
                    continue
                except OSError as error:
                    raise self._ended(error) from error
                if not count:
                    raise self._ended()
                view = view[count:]

        self._receiving = True
        if self._closed:
            self.end_reading()
            raise self._ended()
        return fill

    def end_reading(self) -> None:
        """Give back what `begin_reading` gave."""
        self._receiving = False
        if self._closed:
            self._release()

    def close(self) -> None:
        """End the connection and wake whoever uses it; closing twice is harmless.

        The descriptor is closed by the last thread that leaves, so no other one can get its number
        meanwhile.
        """
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self._on_quiet = _nothing  # whose it is may have the stream
            with contextlib.suppress(OSError):  # the other side was first
                # not SSLSocket's own, which would take TLS away from a thread that is in it
                socket.socket.shutdown(self._sock, socket.SHUT_RDWR)
        self._release()

    def _release(self) -> None:
        """Close the descriptor of a stream that is closed, if nobody uses it."""
        with self._closing:
            if not (self._sending or self._receiving):
                self._sock.close()

    def _ended(self, error: OSError | None = None) -> StreamClosedError:
        if self._closed:
            return StreamClosedError(self.peer, "closed here")
        if error is None:
            return StreamClosedError(self.peer, "the other side closed it")
        return StreamClosedError(self.peer, error.strerror or str(error))


class _Plain:
    """Waits in the kernel; sends and receives by the socket's own methods."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(None)
        self._sock = sock
        self.sendmsg: Callable[..., int] = sock.sendmsg
        self.recv_into: Callable[..., int] = sock.recv_into

    def limit_sending(self, seconds: float) -> None:
        """Let ``sendmsg`` raise BlockingIOError when nothing goes for so long."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(seconds))

    def limit_receiving(self, seconds: float | None) -> None:
        """Let ``recv_into`` raise BlockingIOError when nothing comes for so long; None: never."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(seconds or 0.0))

    def pending(self) -> bool:
        """Whether bytes are here of which the socket knows nothing."""
        return False


class _Tls:
    """Waits beside the lock; has the methods of a socket that waits in the kernel."""

    def __init__(self, sock: ssl.SSLSocket, send_seconds: float) -> None:
        sock.settimeout(0.0)
        self._sock = sock
        self._send_seconds = send_seconds
        self._quiet_seconds: float | None = None
        self._lock = threading.Lock()

    def limit_sending(self, seconds: float) -> None:
        """See ``_Plain``."""
        self._send_seconds = seconds

    def limit_receiving(self, seconds: float | None) -> None:
        """See ``_Plain``."""
        self._quiet_seconds = seconds

    def pending(self) -> bool:
        """Whether bytes are decrypted already."""
        with self._lock:
            return bool(self._sock.pending())

    def sendmsg(self, views: Sequence[memoryview], _ancillary: object = (), flags: int = 0) -> int:
        """Send some; BlockingIOError: nothing went in time."""
        data = _record(views)
        while True:
            try:
                with self._lock:
                    return self._sock.send(data)
            except ssl.SSLWantWriteError:
                events = select.POLLOUT
            except ssl.SSLWantReadError:
                events = select.POLLIN
            if flags & socket.MSG_DONTWAIT or not _wait(self._sock, events, self._send_seconds):
                raise BlockingIOError

    def recv_into(self, view: memoryview, _count: int = 0, _flags: int = 0) -> int:
        """Receive some; BlockingIOError: nothing came in time."""
        while True:
            try:
                with self._lock:
                    return self._sock.recv_into(view)
            except ssl.SSLWantReadError:
                events = select.POLLIN
            except ssl.SSLWantWriteError:
                events = select.POLLOUT
            if not _wait(self._sock, events, self._quiet_seconds):
                raise BlockingIOError


def _sized(buffers: Sequence[Buffer]) -> tuple[list[memoryview], int]:
    """Return views of those that are not empty, and how many bytes they are."""
    views, size = [], 0
    for buffer in buffers:
        view = memoryview(buffer)
        if view.nbytes:
            views.append(view)
            size += view.nbytes
    return views, size


def _advance(views: list[memoryview], sent: int) -> None:
    """Take away what was sent."""
    whole = 0
    while whole < len(views) and sent >= views[whole].nbytes:
        sent -= views[whole].nbytes
        whole += 1
    del views[:whole]
    if sent:
        views[0] = views[0].cast("B")[sent:]


def _record(views: Sequence[memoryview]) -> Buffer:
    """Return what one TLS record carries; small buffers share one, larger ones are not copied."""
    if len(views) == 1 or views[0].nbytes >= _RECORD_BYTES:
        return views[0]
    pieces, free = [], _RECORD_BYTES
    for view in views:
        pieces.append(view.cast("B")[:free])
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


def _timeval(seconds: float) -> bytes:
    """Return a struct timeval; 0 is no limit, so anything else is at least a microsecond."""
    whole, part = divmod(seconds, 1.0)
    return struct.pack("@ll", int(whole), int(part * 1_000_000) or int(0 < seconds < 1))
