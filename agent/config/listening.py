"""Where workers listen for direct connections: how that is written, and what it means."""

import ipaddress
import re
from typing import Annotated, Final, NamedTuple

from msgspec import Meta

from wire.direct.endpoint import MAX_ADDRESSES

NONE: Final = "none"
_FORM: Final = re.compile(
    r"(?P<host>[0-9.]+|\[[0-9A-Fa-f:.]+\]):(?P<first>\d{1,5})(-(?P<last>\d{1,5}))?"
)


class Listening(NamedTuple):
    """An address and a range of ports."""

    host: str
    first_port: int
    """0: any."""
    last_port: int


def parsed(text: str) -> Listening | None:
    """Return what a checked ``direct.listen`` means; None: no TCP."""
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    first = int(found["first"])
    return Listening(found["host"].strip("[]"), first, int(found["last"] or first))


def _is_listening(text: str) -> bool:
    found = parsed(text)
    if found is None:
        return text == NONE
    last = 65535 if found.first_port else 0
    return is_address(found.host) and found.first_port <= found.last_port <= last


def is_address(text: str) -> bool:
    """Whether a text is a literal IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def _are_addresses(texts: tuple[str, ...]) -> bool:
    return all(map(is_address, texts))


Listen = Annotated[
    str,
    Meta(
        max_length=64,
        description="an IP address and a port or a range (0.0.0.0:0, [::]:4000-4010), or none",
        extra={"check": _is_listening},
    ),
]
"""What is listened to."""
Addresses = Annotated[
    tuple[Annotated[str, Meta(max_length=45)], ...],
    Meta(
        max_length=MAX_ADDRESSES,
        description=f"a list of at most {MAX_ADDRESSES} IP addresses",
        extra={"check": _are_addresses},
    ),
]
"""What others are told to connect to."""
