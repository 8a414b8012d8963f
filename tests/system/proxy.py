"""Carries TCP connections to a port, slowly if asked, until the test cuts or stops them."""

import contextlib
import socket
import threading
import time


class Proxy:
    """Listens at ``host:port`` and connects each connection to 127.0.0.1 at the same port.

    ``back_bytes_per_second``: no more comes back on each of them.
    """

    def __init__(self, host, port, back_bytes_per_second=float("inf")):
        self.port = port
        self._back_bytes_per_second = back_bytes_per_second
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server((host, port))
        self._open = set()
        self._flows = threading.Event()
        self._flows.set()
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def carries(self):
        """How many connections there are."""
        return len(self._open)

    def cut(self):
        """Reset every connection; returns how many there were."""
        pairs = list(self._open)
        for pair in pairs:
            for sock in pair:
                with contextlib.suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    sock.shutdown(socket.SHUT_RDWR)
        return len(pairs)

    def silence(self):
        """Let nothing through any more, and say nothing."""
        self._flows.clear()

    def mend(self):
        """Let everything through again."""
        self._flows.set()

    def close(self):
        """End it."""
        self._closed = True
        self._flows.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self):
        while not self._closed:
            try:
                ours, _ = self._listener.accept()
                theirs = socket.create_connection(self._target)
            except OSError:
                continue
            pair = (ours, theirs)
            self._open.add(pair)
            rates = (float("inf"), self._back_bytes_per_second)
            for source, target, rate in zip(pair, pair[::-1], rates, strict=True):
                threading.Thread(
                    target=self._carry, args=(source, target, pair, rate), daemon=True
                ).start()

    def _carry(self, source, target, pair, bytes_per_second):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                self._flows.wait()
                time.sleep(len(data) / bytes_per_second)
                target.sendall(data)
        for sock in pair:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        if pair in self._open:
            self._open.discard(pair)
            return
        for sock in pair:  # the other thread is through, too
            sock.close()
