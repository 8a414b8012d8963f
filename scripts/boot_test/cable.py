"""What two machines send each other, read off the cable: each TCP connection's bytes."""

import socket
import threading
from collections import defaultdict
from typing import NamedTuple

_EVERY_PROTOCOL = 0x0003
"""ETH_P_ALL: what leaves is seen by nothing less."""
_TCP = 6
_SYN = 0x02
_HANDSHAKE, _CHANGE_CIPHER_SPEC, _APPLICATION_DATA = 22, 20, 23
_CLIENT_HELLO, _SERVER_HELLO = 1, 2
_SUPPORTED_VERSIONS_1_3 = bytes.fromhex("002b 0002 0304")
"""The extension of a ServerHello that chooses TLS 1.3."""


class Way(NamedTuple):
    """One direction of a connection."""

    source: str
    source_port: int
    target: str
    target_port: int

    @property
    def back(self) -> "Way":
        """The other one."""
        return Way(self.target, self.target_port, self.source, self.source_port)


class Cable:
    """Listens from now on, to connections that begin from now on."""

    def __init__(self, interface: str) -> None:
        self._begins: dict[Way, int] = {}
        self._pieces: dict[Way, dict[int, bytes]] = defaultdict(dict)
        self._changing = threading.Lock()
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self._socket.bind((interface, _EVERY_PROTOCOL))
        threading.Thread(target=self._listen, daemon=True).start()

    def streams(self) -> dict[Way, bytes]:
        """Return what was sent in each direction.

        Raises:
            ValueError: A part of it was not heard.
        """
        with self._changing:
            return {way: _whole(way, pieces) for way, pieces in self._pieces.items() if pieces}

    def _listen(self) -> None:
        while True:
            packet = self._socket.recv(1 << 17)
            if len(packet) > 20 and packet[0] >> 4 == 4 and packet[9] == _TCP:
                with self._changing:
                    self._take(packet)

    def _take(self, packet: bytes) -> None:
        head_bytes = (packet[0] & 15) * 4
        total_bytes = int.from_bytes(packet[2:4], "big") or len(packet)
        segment = packet[head_bytes:total_bytes]
        ports = int.from_bytes(segment[:2], "big"), int.from_bytes(segment[2:4], "big")
        source, target = (socket.inet_ntoa(packet[at : at + 4]) for at in (12, 16))
        way = Way(source, ports[0], target, ports[1])
        number = int.from_bytes(segment[4:8], "big")
        if segment[13] & _SYN:
            self._begins[way] = number + 1
        payload = segment[(segment[12] >> 4) * 4 :]
        if payload and way in self._begins:
            at = (number - self._begins[way]) % (1 << 32)
            self._pieces[way][at] = max(payload, self._pieces[way].get(at, b""), key=len)


def is_tls_1_3(sent: bytes, answered: bytes) -> bool:
    """Whether a connection's bytes are TLS 1.3: two hellos in the clear, and nothing else."""
    ours, theirs = _records(sent), _records(answered)
    if not (ours and theirs):
        return False
    hellos = [(kind, body[0]) for kind, body in (ours[0], theirs[0])]
    return (
        hellos == [(_HANDSHAKE, _CLIENT_HELLO), (_HANDSHAKE, _SERVER_HELLO)]
        and _SUPPORTED_VERSIONS_1_3 in theirs[0][1]
        and {kind for kind, _ in (*ours[1:], *theirs[1:])}
        == {_CHANGE_CIPHER_SPEC, _APPLICATION_DATA}
    )


def _records(stream: bytes) -> list[tuple[int, bytes]]:
    """Return kind and body of each record, the last one perhaps not whole."""
    found, at = [], 0
    while at + 5 < len(stream):
        body_bytes = int.from_bytes(stream[at + 3 : at + 5], "big")
        found.append((stream[at], stream[at + 5 : at + 5 + body_bytes]))
        at += 5 + body_bytes
    return found


def _whole(way: Way, pieces: dict[int, bytes]) -> bytes:
    found = b""
    for at in sorted(pieces):
        if at > len(found):
            raise ValueError(f"bytes {len(found)} to {at} of {way} were not heard")
        found += pieces[at][len(found) - at :]
    return found
