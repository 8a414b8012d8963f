"""Where a receiver can be reached directly, and what of such an offer is believed. Pure.

Offers come over a broker that others may write to. So they name literal addresses, never names;
a socket's file name is not theirs to choose; and what is connected to has to prove itself before
it sees anything of ours (`wire.direct.handshake`).
"""

import hashlib
import ipaddress
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeAlias

import msgspec
from msgspec import Meta

from wire import link_names

MAX_ADDRESSES: Final = 8
MAX_OFFERS: Final = 8
LOOPBACK: Final = "127.0.0.1"

_Host: TypeAlias = Annotated[str, Meta(max_length=64)]


class Uds(msgspec.Struct, frozen=True, tag_field="link", tag="uds"):
    """A Unix socket, for processes of the same host."""

    folder: Annotated[str, Meta(min_length=1, max_length=1024, pattern=r"^/[^\x00]*$")]
    """The socket in it is named by `socket_name`."""
    host: _Host
    """`wire.clock.clock_id` of the side that offers: the same on one boot of one machine."""


class Tcp(msgspec.Struct, frozen=True, tag_field="link", tag="tcp"):
    """A TCP port; off the host it speaks TLS."""

    addresses: Annotated[tuple[Annotated[str, Meta(max_length=64)], ...], Meta(max_length=8)]
    port: Annotated[int, Meta(ge=1, le=65535)]
    host: _Host


Endpoint: TypeAlias = Uds | Tcp


class Way(NamedTuple):
    """One thing to try."""

    link: Literal["uds", "tcp"]
    target: str
    """A socket's path, or an IP address."""
    port: int
    encrypted: bool

    def __str__(self) -> str:
        return f"uds:{self.target}" if self.link == "uds" else f"tcp:{self.target}:{self.port}"


def to_meta(endpoints: Sequence[Endpoint]) -> list[Any]:
    """Return what stands in a credit frame's meta ``offers``."""
    return [msgspec.to_builtins(endpoint) for endpoint in endpoints]


def from_meta(value: Any) -> tuple[Endpoint, ...]:
    """Return what can be used of a meta ``offers``; what is unknown or malformed is left out."""
    found: list[Endpoint] = []
    for item in value[:MAX_OFFERS] if isinstance(value, list) else ():
        try:
            found.append(msgspec.convert(item, Endpoint))
        except msgspec.ValidationError:
            continue  # a kind of a later version, or nonsense: either way nothing to try
    return tuple(found)


def ways(
    offers: Sequence[Endpoint], address: str, *, link: str, host: str, has_certificates: bool
) -> tuple[Way, ...]:
    """Return what to try, best first.

    Args:
        offers: What the other side said.
        address: The lane's.
        link: The link that is wanted: see `wire.link_names`.
        host: Our own `wire.clock.clock_id`.
        has_certificates: Whether both sides have one: without, nothing leaves the host.
    """
    found = [way for offer in offers for way in _ways(offer, address, host, has_certificates)]
    wanted = [way for way in dict.fromkeys(found) if link_names.tries(link, way.link)]
    return tuple(sorted(wanted, key=lambda way: (way.link != "uds", way.encrypted)))


def why_none(offers: Sequence[Endpoint], *, host: str, has_certificates: bool) -> str:
    """Return why there is nothing to try.

    Args:
        offers: What the other side said.
        host: Our own `wire.clock.clock_id`.
        has_certificates: Whether both sides have one.
    """
    if not offers:
        return "it offers no direct connection"
    if has_certificates or any(offer.host == host for offer in offers):
        return "nothing that it offers can be used from here"
    return "it is on another host, and not both sides have a certificate for that"


def socket_name(address: str) -> str:
    """Return the file name of the socket that serves ``address``."""
    return f"{hashlib.sha256(address.encode()).hexdigest()[:24]}.sock"


def is_loopback(address: str) -> bool:
    """Whether a literal IP address is this host's own loopback."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).is_loopback


def _ways(offer: Endpoint, address: str, host: str, has_certificates: bool) -> Iterator[Way]:
    local = offer.host == host
    if isinstance(offer, Uds):
        if local:
            yield Way("uds", f"{offer.folder.rstrip('/')}/{socket_name(address)}", 0, False)
        return
    for target in offer.addresses:
        if _usable(target) and (local if is_loopback(target) else has_certificates):
            yield Way("tcp", target, offer.port, not is_loopback(target))


def _usable(target: str) -> bool:
    """Whether a text is the literal address of one host, on whatever interface."""
    if "%" in target:
        return False
    try:
        address = ipaddress.ip_address(target)
    except ValueError:
        return False
    return not (address.is_multicast or address.is_unspecified or address.is_reserved)
