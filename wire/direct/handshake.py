"""How a sender and a receiver prove to each other that they know the sender's token. No I/O.

    sender    -> receiver   hello: version, lane, sender, a nonce
    receiver  -> sender     its nonce, and its proof
    sender    -> receiver   its proof
    receiver  -> sender     welcome

A proof is HMAC-SHA256, keyed with the token, of who proves (so that none can be sent back), the
version, both names and both nonces (so that none can be used again). The token itself never
travels. A receiver that is no receiver learns nothing, for it proves itself first; and a sender
that is none gets one proof of its own hello, which fits nothing else.

Both sides say how many bytes they need next and turn them into what to send: everything is of a
fixed size, but for the names, whose sizes are bounded.

Workers know their generation's token; each client has one that is made of it (`client_token`).
"""

import hashlib
import hmac
import struct
from collections.abc import Callable
from typing import Final

from wire.direct.errors import HandshakeError
from wire.ids import is_id

MAGIC: Final = b"PLND"
VERSION: Final = 1
NONCE_BYTES: Final = 32
PROOF_BYTES: Final = 32
MAX_ADDRESS_BYTES: Final = 512
MIN_TOKEN_CHARACTERS: Final = 32

_HELLO: Final = struct.Struct(f"<4sBBH{NONCE_BYTES}s")
"""Magic, version, bytes of the sender's name, bytes of the lane's, nonce; then the names."""
_CLIENT: Final = b"client"
_RECEIVER: Final = b"receiver"
_SENDER: Final = b"sender"
_WELCOME: Final = b"welcome"


def client_token(token: str, address: str, client: str) -> str:
    """Return what a client proves itself with at the lane of a worker of this token's generation.

    Empty: that token is too short to prove anything with.
    """
    if len(token) < MIN_TOKEN_CHARACTERS:
        return ""
    return hmac.digest(
        token.encode(), b"\0".join((_CLIENT, address.encode(), client.encode())), hashlib.sha256
    ).hex()


class Sender:
    """The side that connects.

    Args:
        token: Ours.
        address: The lane that frames shall go to.
        sender: Our id.
        nonce: 32 random bytes, never used before.

    Raises:
        HandshakeError: There is no token to prove ourselves with.
    """

    def __init__(self, token: str, address: str, sender: str, nonce: bytes) -> None:
        self.done = False
        self.needed = NONCE_BYTES + PROOF_BYTES
        """How many bytes to feed next; 0 when it is done."""
        self._key = _key(token)
        names = sender.encode(), address.encode()
        self.hello = _HELLO.pack(MAGIC, VERSION, *map(len, names), nonce) + b"".join(names)
        """What to send first."""
        self._transcript = b""

    def feed(self, data: bytes) -> bytes:
        """Take the ``needed`` bytes that came; return what to send.

        Raises:
            HandshakeError: The other side does not know the token.
        """
        _check_size(data, self.needed)
        if not self._transcript:
            self._transcript = self.hello + data[:NONCE_BYTES]
            _check(self._key, _RECEIVER, self._transcript, data[NONCE_BYTES:])
            self.needed = PROOF_BYTES
            return _proof(self._key, _SENDER, self._transcript)
        _check(self._key, _WELCOME, self._transcript, data)
        self.done, self.needed = True, 0
        return b""


class Receiver:
    """The side that is connected to.

    Args:
        address: The lane that is served here.
        token_of: Returns the token of a sender; empty: it may not send here.
        nonce: 32 random bytes, never used before.
    """

    def __init__(self, address: str, token_of: Callable[[str], str], nonce: bytes) -> None:
        self.done = False
        self.needed = _HELLO.size
        """How many bytes to feed next; 0 when it is done."""
        self.sender = ""
        """Who connected; proved when it is done."""
        self._key = b""
        self._address = address
        self._token_of = token_of
        self._nonce = nonce
        self._hello = b""
        self._transcript = b""

    def feed(self, data: bytes) -> bytes:
        """Take the ``needed`` bytes that came; return what to send.

        Raises:
            HandshakeError: The other side speaks something else, wants another lane, may not send
                here, or does not know its token.
        """
        _check_size(data, self.needed)
        if not self._hello:
            self._hello = data
            self.needed = self._names_bytes(data)
            return b""
        if not self._transcript:
            self._take_names(data)
            self._transcript = self._hello + data + self._nonce
            self.needed = PROOF_BYTES
            return self._nonce + _proof(self._key, _RECEIVER, self._transcript)
        _check(self._key, _SENDER, self._transcript, data)
        self.done, self.needed = True, 0
        return _proof(self._key, _WELCOME, self._transcript)

    def _names_bytes(self, data: bytes) -> int:
        magic, version, sender_bytes, address_bytes, _ = _HELLO.unpack(data)
        if magic != MAGIC:
            raise HandshakeError("what connected speaks another protocol")
        if version != VERSION:
            raise HandshakeError(f"version {version} is unknown (expected {VERSION})")
        if not sender_bytes or not 0 < address_bytes <= MAX_ADDRESS_BYTES:
            raise HandshakeError(f"names of {sender_bytes} and {address_bytes} bytes")
        return int(sender_bytes + address_bytes)

    def _take_names(self, data: bytes) -> None:
        sender_bytes = self._hello[5]
        sender = data[:sender_bytes].decode("utf-8", "replace")
        if data[sender_bytes:] != self._address.encode():
            raise HandshakeError("what connected wants another lane")
        token = self._token_of(sender) if is_id(sender) else ""
        if not token:
            raise HandshakeError(f"{sender!r:.60} is nobody who sends here")
        self._key, self.sender = _key(token), sender


def _key(token: str) -> bytes:
    if len(token) < MIN_TOKEN_CHARACTERS:
        raise HandshakeError("the assignment has no token for direct links")
    return token.encode()


def _check_size(data: bytes, needed: int) -> None:
    if len(data) != needed or not needed:
        raise HandshakeError(f"{len(data)} bytes came (expected {needed})")


def _proof(key: bytes, role: bytes, transcript: bytes) -> bytes:
    return hmac.digest(key, role + b"\0" + transcript, hashlib.sha256)


def _check(key: bytes, role: bytes, transcript: bytes, proof: bytes) -> None:
    if not hmac.compare_digest(_proof(key, role, transcript), proof):
        raise HandshakeError("what connected does not know the token")
