"""Ed25519 signatures over canonical JSON.

The signature covers the canonical JSON of the message without its ``signature`` field, as it was
received: fields that this version does not know are covered too.
"""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from typing import Any, Final, TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from wire import canonical, messages
from wire.errors import MessageError, SignatureError
from wire.messages import Command, Desired

_PREFIX: Final = "ed25519:"
Signed = TypeVar("Signed", Desired, Command)


def new_private_key() -> bytes:
    """Return a new private key as PEM (PKCS #8, not encrypted): keep it at mode 0600."""
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def private_key(pem: bytes, source: str) -> Ed25519PrivateKey:
    """Return the key in a PEM file's bytes.

    Raises:
        SignatureError: No Ed25519 private key.
    """
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SignatureError(source, "holds no private key in PEM form") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SignatureError(source, f"holds a {type(key).__name__} (expected an Ed25519 key)")
    return key


def public_pem(key: Ed25519PrivateKey) -> bytes:
    """Return the public half as PEM, as agents list it in ``trust.keys``."""
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def public_key(pem: bytes, source: str) -> Ed25519PublicKey:
    """Return the key in a PEM file's bytes.

    Raises:
        SignatureError: No Ed25519 public key.
    """
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SignatureError(source, "holds no public key in PEM form") from error
    if not isinstance(key, Ed25519PublicKey):
        raise SignatureError(source, f"holds a {type(key).__name__} (expected an Ed25519 key)")
    return key


def fingerprint(key: Ed25519PublicKey) -> str:
    """Return the first 16 hex digits of the SHA-256 of the raw key."""
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:16]


def signed(message: Signed, key: Ed25519PrivateKey) -> Signed:
    """Return ``message`` with its signature."""
    plain = msgspec.to_builtins(message)
    signature = base64.b64encode(key.sign(_covered(plain))).decode()
    return msgspec.structs.replace(message, signature=_PREFIX + signature)


class _Signed(msgspec.Struct, frozen=True):
    signature: str = ""


def claims_signature(data: bytes) -> bool:
    """Whether ``data`` is JSON that names a signature of ours, right or wrong."""
    try:
        return _is_signature(msgspec.json.decode(data, type=_Signed).signature)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False


def verified_desired(data: bytes, keys: Sequence[Ed25519PublicKey]) -> Desired:
    """Return the desired state in ``data`` if one of ``keys`` signed it.

    Raises:
        MessageError: Not a desired state.
        SignatureError: No trusted key, no signature, or it does not match.
    """
    desired = messages.decode("desired", data, Desired)
    _check("desired", "desired state", data, desired.signature, keys)
    return desired


def verified_command(data: bytes, keys: Sequence[Ed25519PublicKey]) -> Command:
    """Return the command in ``data`` if one of ``keys`` signed it.

    Raises:
        MessageError: Not a command.
        SignatureError: No trusted key, no signature, or it does not match.
    """
    command = messages.decode("cmd", data, Command)
    _check("cmd", f"command {command.command!r:.40}", data, command.signature, keys)
    return command


def _check(
    kind: str, subject: str, data: bytes, signed_by: str, keys: Sequence[Ed25519PublicKey]
) -> None:
    if not keys:
        raise SignatureError(subject, "no trusted key is configured; list one in trust.keys")
    if not _is_signature(signed_by):
        raise SignatureError(subject, f"is not signed (expected {_PREFIX}...)")
    try:
        signature = base64.b64decode(signed_by[len(_PREFIX) :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise SignatureError(subject, "its signature is no base64") from error
    covered = _covered_as_received(kind, data)
    for key in keys:
        try:
            key.verify(signature, covered)
        except InvalidSignature:
            continue
        return
    known = ", ".join(fingerprint(key) for key in keys)
    raise SignatureError(subject, f"is not signed by a trusted key (trusted: {known})")


def _is_signature(text: str) -> bool:
    return text.startswith(_PREFIX)


def _covered_as_received(kind: str, data: bytes) -> bytes:
    try:
        return _covered(msgspec.json.decode(data))
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        # The typed decoder skips unknown fields without reading them; here they are read.
        raise MessageError(kind, f"an unknown field is malformed ({error})") from error


def _covered(plain: dict[str, Any]) -> bytes:
    return canonical.encode({name: value for name, value in plain.items() if name != "signature"})
