"""Passes TCP connections on, both ways later: a long way's delay, for `emulation.py`.

    delay_proxy.py PORT HOST PORT DELAY_MS JITTER_MS

What comes leaves after the delay and a part of the jitter by chance, in order. What is under way is
bounded; then nothing more is read until some of it has left.
"""

import queue
import random
import socket
import sys
import threading
import time

READ_BYTES = 1 << 16
MOST_UNDER_WAY = 256
"""Reads of each way of a connection."""


def pass_on(source, target, delay_seconds, jitter_seconds):
    """Let everything that comes from a socket leave by another; end with either."""
    under_way = queue.Queue(MOST_UNDER_WAY)

    def leave():
        while True:
            due, data = under_way.get()
            time.sleep(max(0.0, due - time.monotonic()))
            try:
                if not data:
                    target.shutdown(socket.SHUT_WR)
                    return
                target.sendall(data)
            except OSError:
                source.close()
                return

    threading.Thread(target=leave, daemon=True).start()
    chance = random.Random(0)
    data = b"."
    while data:
        try:
            data = source.recv(READ_BYTES)
        except OSError:
            data = b""
        later = delay_seconds + chance.random() * jitter_seconds
        under_way.put((time.monotonic() + later, data))


def main():
    port, host, target_port, delay_ms, jitter_ms = sys.argv[1:]
    seconds = float(delay_ms) / 1e3, float(jitter_ms) / 1e3
    listener = socket.create_server(("127.0.0.1", int(port)))
    while True:
        near, _ = listener.accept()
        far = socket.create_connection((host, int(target_port)))
        for one, other in ((near, far), (far, near)):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=pass_on, args=(one, other, *seconds), daemon=True).start()


if __name__ == "__main__":
    main()
