"""The page's own files: read once, told by their content, kept by browsers for a year."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TYPES: Final = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".txt": "text/plain",
    ".md": "text/plain",
    ".json": "application/json",
}
"""A file of another kind is not served."""
FOREVER: Final = "public, max-age=31536000, immutable"
ASK_AGAIN: Final = "no-cache"
_SHOWN: Final = 16
"""Digits of the digest in an address."""


@dataclass(frozen=True, slots=True)
class Static:
    """One file."""

    data: bytes
    media_type: str
    digest: str
    """SHA-256 in hexadecimal."""

    def caching(self, version: str) -> str:
        """Return how long it may be kept by one who asked for this ``version`` of it."""
        named = len(version) >= 8 and self.digest.startswith(version)
        return FOREVER if named else ASK_AGAIN


def read(folder: Path) -> dict[str, Static]:
    """Return the files below a folder by their path in it, such as ``vendor/htmx.js``."""
    found: dict[str, Static] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in TYPES:
            data = path.read_bytes()
            digest = hashlib.sha256(data).hexdigest()
            found[path.relative_to(folder).as_posix()] = Static(data, TYPES[path.suffix], digest)
    return found
