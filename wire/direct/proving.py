"""The handshake over a real socket, within a time limit; TLS first where it leaves the host."""

import os
import secrets
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, NamedTuple

from wire.byte_stream import ByteStream
from wire.direct import pinned, sockets
from wire.direct.arena import ArenaReader, ArenaWriter
from wire.direct.endpoint import Way
from wire.direct.errors import EndpointError, HandshakeError
from wire.direct.handshake import NONCE_BYTES, Receiver, Sender, client_token

STALL_SECONDS: Final = 3.0
"""A neighbour that takes no byte for so long holds up its sender no longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """One lane, and who may connect to it."""

    address: str
    """The lane's."""
    token: str
    """The generation's."""
    senders: Mapping[str, bytes | None] = field(default_factory=dict)
    """By id: the certificate (DER) that it shows off this host; None: it cannot come from there."""
    own_file: Path | None = None
    """Our certificate and key (PEM); None: nobody can come from off this host."""
    clients: bool = False
    """Whether anybody of this host may come who knows a client's token."""
    arena: bool = True
    """Whether frames come by it, perhaps large ones: on one host through memory that both see."""
    stall_seconds: float = STALL_SECONDS
    """Who takes no byte of ours for so long is given up."""

    def token_of(self, sender: str) -> str:
        """Return what a sender has to prove that it knows; empty: it may not come."""
        if sender in self.senders:
            return self.token
        return client_token(self.token, self.address, sender) if self.clients else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """Who we are to the receiver of a lane."""

    address: str
    token: str
    sender: str
    own_file: Path | None = None
    """Our certificate and key (PEM)."""
    certificate: bytes | None = None
    """The receiver's (DER); None: only what stays on this host can be used."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """Who connected, proved."""

    stream: ByteStream = field(repr=False)
    sender: str
    link: str
    """``uds`` or ``tcp``."""
    arena: ArenaReader | None = field(default=None, repr=False)
    """What large frames come through; None: all come by the stream."""


class Met(NamedTuple):
    """A lane's receiver, proved."""

    stream: ByteStream
    arena: ArenaWriter | None
    """What large frames can go through; None: all go by the stream."""


def connect(way: Way, key: Key, seconds: float) -> Met:
    """Return a connection to a lane's receiver; both sides are proved.

    Raises:
        EndpointError: Nothing answers there in time.
        HandshakeError: What answers is not the receiver, or will not have us.
    """
    ends = time.monotonic() + seconds
    side = Sender(key.token, key.address, key.sender, secrets.token_bytes(NONCE_BYTES))
    context = _sending_context(way, key)
    sock = sockets.connect(way, seconds)
    handed: list[int] = []
    try:
        if context is not None:
            sock = tls = _encrypted(context, sock, ends, server_side=False)
            _check(pinned.shown(tls), key.certificate)
        _send(sock, side.hello, ends)
        while not side.done:
            answer = side.feed(_received(sock, side.needed, ends, handed))
            if answer:
                _send(sock, answer, ends)
        stream = ByteStream(sock, str(way), send_seconds=STALL_SECONDS)
        return Met(stream, _arena_of(handed))
    except OSError as error:
        sock.close()
        raise EndpointError(str(way), _reason(error)) from error
    except BaseException:
        sock.close()
        raise
    finally:
        for descriptor in handed:
            os.close(descriptor)


def admit(sock: socket.socket, door: Door, *, encrypted: bool, seconds: float) -> Arrival:
    """Return who connected, when both sides are proved; else the socket is closed.

    Raises:
        HandshakeError: It is nobody who may, or too slow.
    """
    ends = time.monotonic() + seconds
    try:
        if encrypted:
            sock = tls = _encrypted(_receiving_context(door), sock, ends, server_side=True)
            shown = pinned.shown(tls)
            known = {name: one for name, one in door.senders.items() if one == shown}
            door = replace(door, senders=known, clients=False)
        side = Receiver(door.address, door.token_of, secrets.token_bytes(NONCE_BYTES))
        answer = b""
        while not side.done:
            if answer:
                _send(sock, answer, ends)
            answer = side.feed(_received(sock, side.needed, ends))
        link = "uds" if sock.family == socket.AF_UNIX else "tcp"
        shares = link == "uds" and door.arena
        arena = _sent_with_arena(sock, answer, ends) if shares else None
        if arena is None:
            _send(sock, answer, ends)
        stream = ByteStream(sock, side.sender, send_seconds=door.stall_seconds)
        return Arrival(stream, side.sender, link, arena)
    except OSError as error:
        sock.close()
        raise HandshakeError(f"the handshake ended early ({_reason(error)})") from error
    except BaseException:
        sock.close()
        raise


def _check(shown: bytes, assigned: bytes | None) -> None:
    if shown != assigned:
        raise HandshakeError("what answers shows another certificate than assigned")


def _sending_context(way: Way, key: Key) -> ssl.SSLContext | None:
    if not way.encrypted:
        return None
    if key.own_file is None or key.certificate is None:
        raise HandshakeError("there are no certificates for a link off this host")
    return pinned.sending(key.own_file, key.certificate)


def _receiving_context(door: Door) -> ssl.SSLContext:
    known = [certificate for certificate in door.senders.values() if certificate]
    if door.own_file is None or not known:
        raise HandshakeError("there are no certificates for a link off this host")
    return pinned.receiving(door.own_file, known)


def _encrypted(
    context: ssl.SSLContext, sock: socket.socket, ends: float, *, server_side: bool
) -> ssl.SSLSocket:
    sock.settimeout(_left(ends))
    return context.wrap_socket(sock, server_side=server_side)


def _sent_with_arena(sock: socket.socket, data: bytes, ends: float) -> ArenaReader | None:
    """Send a handshake's last word with the descriptor of a new arena; None: nothing was sent."""
    try:
        arena = ArenaReader()
    except (OSError, ValueError):
        return None
    try:
        sock.settimeout(_left(ends))
        sent = socket.send_fds(sock, [data], [arena.descriptor])
        _send(sock, data[sent:], ends)
    finally:
        os.close(arena.descriptor)
    return arena


def _arena_of(handed: Sequence[int]) -> ArenaWriter | None:
    """Return what was handed over with a handshake; None: nothing, or nothing that can be used."""
    try:
        return ArenaWriter(handed[0]) if handed else None
    except (OSError, ValueError):
        return None


def _send(sock: socket.socket, data: bytes, ends: float) -> None:
    sock.settimeout(_left(ends))
    sock.sendall(data)


def _received(
    sock: socket.socket, size: int, ends: float, handed: list[int] | None = None
) -> bytes:
    """Return the next ``size`` bytes; descriptors that come with them are added to ``handed``."""
    data = b""
    while len(data) < size:
        sock.settimeout(_left(ends))
        if handed is None or sock.family != socket.AF_UNIX:
            piece = sock.recv(size - len(data))
        else:
            flags = socket.MSG_CMSG_CLOEXEC
            piece, descriptors, _, _ = socket.recv_fds(sock, size - len(data), 1, flags)
            handed += descriptors
        if not piece:
            raise ConnectionResetError("the other side closed it")
        data += piece
    return data


def _left(ends: float) -> float:
    left = ends - time.monotonic()
    if left <= 0:
        raise TimeoutError("too slow")
    return left


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return str(error.reason or error)
    return error.strerror or str(error)
