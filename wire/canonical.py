"""Canonical JSON: one text for one value, so that it can be signed and hashed.

Sorted keys, no spaces, UTF-8, finite numbers only.
"""

import hashlib
import json

import msgspec


def encode(value: object) -> bytes:
    """Return the canonical JSON of a message, a manifest or plain data.

    Raises:
        ValueError: A number is NaN or infinite.
    """
    plain = msgspec.to_builtins(value)
    text = json.dumps(
        plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def digest(value: object) -> str:
    """Return the SHA-256 of the canonical JSON, in lower-case hex."""
    return hashlib.sha256(encode(value)).hexdigest()
