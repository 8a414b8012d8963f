"""Two options of TCP that a round trip needs, for sockets that are another library's."""

import contextlib
import socket
from typing import Any


def acknowledge_quickly(sock: Any) -> None:
    """Arm TCP_QUICKACK, which the kernel forgets: brokers without TCP_NODELAY stall 40 ms else."""
    _set_tcp(sock, "TCP_QUICKACK")


def without_delay(sock: Any) -> None:
    """Set TCP_NODELAY: without it QoS 1 stalls 44 ms a hop on common brokers' defaults."""
    _set_tcp(sock, "TCP_NODELAY")


def _set_tcp(sock: Any, name: str) -> None:
    """Set an option of a TCP socket; paho's WebSocket wrapper takes none, its descriptor does."""
    with contextlib.suppress(OSError, AttributeError, ValueError):  # not everywhere; closed by now
        option = getattr(socket, name)
        if hasattr(sock, "setsockopt"):  # at each message, so without a detour
            sock.setsockopt(socket.IPPROTO_TCP, option, 1)
            return
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=sock.fileno())
        try:
            tcp.setsockopt(socket.IPPROTO_TCP, option, 1)
        finally:
            tcp.detach()
