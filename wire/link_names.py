"""Names of links: which of `wire/links/` carry frames between devices, ``auto`` and ``direct``.

Pure, and without numpy: the front door checks them.
"""

from collections.abc import Sequence
from typing import Final

from wire import plugins
from wire.errors import UnknownPluginError

PACKAGE: Final = "wire.links"
DEFAULT: Final = "mqtt"
"""A topic of the receiver: any MQTT client sees every frame."""
AUTO: Final = "auto"
"""The best that both sides can reach."""
NEVER_BROKER: Final = "direct"
"""The best direct one that both sides can reach; frames wait for it, and the broker sees none."""
CHOICES: Final = frozenset({AUTO, NEVER_BROKER})
"""Those that two workers agree on one by."""
NOT_DIRECT: Final = "link.not_direct"
"""The code of what ``direct`` keeps from the broker, and cannot go otherwise."""
NONE: Final = "none"
"""What is used by a hop that may not use the broker's and has no other yet."""
BROKERED: Final = (DEFAULT, "paho")
"""Those that go through the broker: whoever speaks one understands the other."""
DIRECT: Final = frozenset({AUTO, NEVER_BROKER, "tcp", "uds"})
"""Those of which a direct connection is wanted; see `wire.direct.paths`. But for ``direct`` they
begin on the broker's link and fall back to it."""
_WITHIN_ONE_PROCESS: Final = "memory"


def names() -> tuple[str, ...]:
    """Return every link that an assignment may name."""
    return (AUTO, NEVER_BROKER, *carriers())


def carriers() -> tuple[str, ...]:
    """Return every link that carries frames itself."""
    return tuple(name for name in plugins.names(PACKAGE) if name != _WITHIN_ONE_PROCESS)


def checked(name: str, known: Sequence[str] | None = None) -> str:
    """Return ``name``.

    Args:
        name: What somebody said.
        known: What it may be; None: what an assignment can name.

    Raises:
        UnknownPluginError: It is none of them.
    """
    known = names() if known is None else known
    if name not in known:
        raise UnknownPluginError(PACKAGE, name, known)
    return name


def tries(name: str, carrier: str) -> bool:
    """Whether who wants the link ``name`` tries a direct connection of this kind."""
    return name in CHOICES or name == carrier


def brokered(name: str) -> str:
    """Return how somebody speaks to the broker to whom this link is told."""
    return name if name in BROKERED else DEFAULT
