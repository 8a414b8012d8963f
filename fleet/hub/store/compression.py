"""How payloads are kept small: deflate that already knows what telemetry looks like.

A message names some sixty readings, always in the same words, and holds little else. With these
words given beforehand (a dictionary), 2.7 KB become 410 bytes in 40 us; without, 820 bytes.

A kept payload is one byte that says how it was made, then the data. A dictionary is never
changed: a better one gets the next number, and what was kept with an older one stays readable.
"""

import zlib
from typing import Final

from fleet.hub.store import dictionary
from fleet.hub.store.errors import StoreDamagedError

PLAIN: Final = 0
DEFLATED: Final = 1
"""Raw deflate with `dictionary.FIRST`."""
MAX_PAYLOAD_BYTES: Final = 1 << 20
"""Nothing on the telemetry topics is so large."""
_LEVEL: Final = 3
_WINDOW_BITS: Final = -13
"""8 KiB: the dictionary and a message."""
_MEMORY_LEVEL: Final = 6


def pack(payload: bytes) -> bytes:
    """Return the payload as it is kept: never more than one byte longer."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        return bytes((PLAIN,)) + payload
    deflate = zlib.compressobj(
        _LEVEL,
        zlib.DEFLATED,
        _WINDOW_BITS,
        _MEMORY_LEVEL,
        zlib.Z_DEFAULT_STRATEGY,
        dictionary.FIRST,
    )
    packed = deflate.compress(payload) + deflate.flush()
    if len(packed) < len(payload):
        return bytes((DEFLATED,)) + packed
    return bytes((PLAIN,)) + payload


def unpack(kept: bytes) -> bytes:
    """Return the payload that was packed.

    Raises:
        StoreDamagedError: These bytes did not come from `pack`.
    """
    if kept[:1] == bytes((PLAIN,)):
        return kept[1:]
    if kept[:1] != bytes((DEFLATED,)):
        raise StoreDamagedError("a payload", f"it begins with {kept[:1]!r}")
    inflate = zlib.decompressobj(_WINDOW_BITS, zdict=dictionary.FIRST)
    try:
        payload = inflate.decompress(kept[1:], MAX_PAYLOAD_BYTES)
    except zlib.error as error:
        raise StoreDamagedError("a payload", str(error)) from error
    if not inflate.eof:
        raise StoreDamagedError("a payload", "it is cut off or too long")
    return payload
