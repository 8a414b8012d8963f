"""Names of codecs: what `wire/codecs/` holds, and each of those followed by ``+zstd``.

Pure, and without numpy: the supervisor tells them, the front door checks them.
"""

from typing import Final

from wire import plugins
from wire.errors import UnknownPluginError

PACKAGE: Final = "wire.codecs"
DEFAULT: Final = "raw"
COMPRESSED: Final = "+zstd"
"""What a codec wrote, compressed by zstd."""


def names() -> tuple[str, ...]:
    """Return every name, the plain ones first."""
    plain = plugins.names(PACKAGE)
    return (*plain, *(name + COMPRESSED for name in plain))


def plain(name: str) -> str:
    """Return the name of the file in `wire/codecs/`: what stands before ``+zstd``."""
    return name.removesuffix(COMPRESSED)


def checked(name: str) -> str:
    """Return ``name``.

    Raises:
        UnknownPluginError: There is no such codec.
    """
    known = names()
    if name not in known:
        raise UnknownPluginError(PACKAGE, name, known)
    return name
