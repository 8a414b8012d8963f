"""Accepts direct connections to one lane: one listening socket, one thread, everything bounded."""

import contextlib
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from wire.direct import proving, sockets
from wire.direct.endpoint import is_loopback
from wire.direct.errors import HandshakeError
from wire.direct.proving import Arrival, Door

HANDSHAKE_SECONDS: Final = 2.0
MAX_HANDSHAKES: Final = 8
"""Under way at once; one more ends the oldest, so that a flood does not keep neighbours out."""


_PAUSE_SECONDS: Final = 0.1
"""After an error of accepting, such as too many open files."""
_END_SECONDS: Final = 1.0


class _Pending(NamedTuple):
    """A handshake under way."""

    handle: socket.socket
    """A second descriptor of the connection: TLS takes the first one for itself."""
    thread: threading.Thread

    def end(self) -> None:
        """End it, and wait for its thread, which does not wait for anybody then."""
        with contextlib.suppress(OSError):
            self.handle.shutdown(socket.SHUT_RDWR)
        self.thread.join(_END_SECONDS)


class Server:
    """Serves a lane on one listening socket, which belongs to it from now on.

    Args:
        listener: From `wire.direct.sockets`.
        door: The lane, and who may connect.
        accepted: Called with whoever has proved itself, in a thread of its own.
        refused: Called with each one that has not, in a thread of its own.
        handshake_seconds: How long one may take.
    """

    def __init__(
        self,
        listener: socket.socket,
        door: Door,
        accepted: Callable[[Arrival], None],
        refused: Callable[[HandshakeError], None] = lambda _: None,
        handshake_seconds: float = HANDSHAKE_SECONDS,
    ) -> None:
        self._listener = listener
        self._door = door
        self._accepted = accepted
        self._refused = refused
        self._handshake_seconds = handshake_seconds
        self._pending: deque[_Pending] = deque()
        self._closed = False
        self._thread = threading.Thread(target=self._accept, daemon=True, name="direct server")

    @property
    def port(self) -> int:
        """The TCP port; 0: it is a Unix socket."""
        if self._listener.family == socket.AF_UNIX:
            return 0
        return int(self._listener.getsockname()[1])

    def start(self) -> None:
        """Begin to accept."""
        self._thread.start()

    def close(self) -> None:
        """Accept no more; what was accepted stays. Closing twice is harmless."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread
        if self._thread.ident is not None:
            self._thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while not self._closed:
            try:
                sock, peer = self._listener.accept()
            except OSError:
                if not self._closed:
                    time.sleep(_PAUSE_SECONDS)
                continue
            try:
                self._begin(sock, peer)
            except (OSError, RuntimeError) as error:  # too many files, or no memory for a thread
                sock.close()
                self._refused(HandshakeError(f"there is no room for it ({error})"))
        for pending in self._pending:
            pending.end()

    def _begin(self, sock: socket.socket, peer: object) -> None:
        self._pending = deque(pending for pending in self._pending if pending.thread.is_alive())
        while len(self._pending) >= MAX_HANDSHAKES:
            self._pending.popleft().end()
        encrypted = isinstance(peer, tuple) and not is_loopback(str(peer[0]))
        handle = sock.dup()
        thread = threading.Thread(
            target=self._greet, args=(sock, handle, encrypted), daemon=True, name="direct handshake"
        )
        try:
            thread.start()
        except RuntimeError:
            handle.close()
            raise
        self._pending.append(_Pending(handle, thread))

    def _greet(self, sock: socket.socket, handle: socket.socket, encrypted: bool) -> None:
        try:
            sockets.watch(sock)
            arrival = proving.admit(
                sock, self._door, encrypted=encrypted, seconds=self._handshake_seconds
            )
        except HandshakeError as error:
            self._refused(error)
        except OSError as error:  # it was gone at once
            sock.close()
            self._refused(HandshakeError(error.strerror or str(error)))
        else:
            self._accepted(arrival)
        finally:
            handle.close()
