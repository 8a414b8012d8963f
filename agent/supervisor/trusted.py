"""The public keys whose assignments are obeyed."""

from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from wire import bounded, signing
from wire.errors import SignatureError


def trusted_keys(paths: Sequence[Path]) -> tuple[Ed25519PublicKey, ...]:
    """Return the keys in these files.

    Raises:
        SignatureError: A file cannot be read or holds no public key.
    """
    return tuple(_key(path) for path in paths)


def _key(path: Path) -> Ed25519PublicKey:
    try:
        return signing.public_key(bounded.read(path, bounded.MAX_SECRET_BYTES), str(path))
    except OSError as error:
        raise SignatureError(str(path), f"cannot be read ({error.strerror})") from error
