"""Sockets for direct links: listening, connecting, and noticing a peer that is silently gone."""

import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from wire.direct.endpoint import Way, socket_name
from wire.direct.errors import EndpointError

BACKLOG: Final = 64
GONE_SECONDS: Final = 10
"""A peer that acknowledges nothing for so long is gone; a probe asks for it on an idle link."""
_PROBES: Final = {"TCP_KEEPIDLE": 4, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 3}
"""Seconds until the first probe, between two, and how many go unanswered: also 10 s."""
_LONGEST_PATH_BYTES: Final = 107
"""Of a Unix socket, by the kernel."""


def listen_uds(folder: Path, address: str) -> socket.socket:
    """Return a listening Unix socket for a lane, in a folder that only our own user can enter.

    A socket that a process before us left there is replaced.

    Raises:
        EndpointError: It cannot be.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_mode & 0o077:
            raise PermissionError("others can enter its folder; chmod it to 0700")
        path = folder / socket_name(address)
        path.unlink(missing_ok=True)
        with _short(path) as short:
            listener.bind(short)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise EndpointError(f"{folder}", error.strerror or str(error)) from error
    return listener


def listen_tcp(host: str, first_port: int, last_port: int = 0) -> socket.socket:
    """Return a listening TCP socket on the first port of a range that is free; 0: on any.

    Raises:
        EndpointError: There is none.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    problem = "no port is free"
    for port in range(first_port, max(first_port, last_port) + 1):
        try:
            return socket.create_server((host, port), family=family, backlog=BACKLOG)
        except OSError as error:
            problem = error.strerror or str(error)
    raise EndpointError(f"{host}:{first_port}", problem)


def connect(way: Way, seconds: float) -> socket.socket:
    """Return a socket connected to one thing that was offered; its timeout is ``seconds``.

    Raises:
        EndpointError: It cannot be.
    """
    family = socket.AF_INET6 if ":" in way.target else socket.AF_INET
    try:
        sock = socket.socket(socket.AF_UNIX if way.link == "uds" else family, socket.SOCK_STREAM)
    except OSError as error:  # no descriptor is left
        raise EndpointError(str(way), error.strerror or str(error)) from error
    try:
        if way.link == "uds":
            # one that does not block is refused at once while many wait to be accepted
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(seconds))
            with _short(Path(way.target)) as short:
                sock.connect(short)
            sock.settimeout(seconds)
        else:
            sock.settimeout(seconds)
            sock.connect((way.target, way.port))
            watch(sock)
    except OSError as error:
        sock.close()
        raise EndpointError(str(way), error.strerror or str(error)) from error
    return sock


def watch(sock: socket.socket) -> None:
    """Let the kernel end a TCP connection whose other side is gone, idle or not."""
    if sock.family == socket.AF_UNIX:
        return  # the kernel itself is between the two: it knows
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (*_PROBES.items(), ("TCP_USER_TIMEOUT", GONE_SECONDS * 1000)):
        option = getattr(socket, name, None)
        if option is not None:  # not on Linux
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def _timeval(seconds: float) -> bytes:
    return struct.pack("@ll", int(seconds), int(seconds % 1 * 1_000_000))


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """Give a path for the kernel, which takes none of more than 107 bytes."""
    if len(os.fsencode(path)) <= _LONGEST_PATH_BYTES:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
