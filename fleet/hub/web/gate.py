"""What every request passes before it is routed, and every answer on its way out.

Host (against DNS rebinding), where a browser says that it comes from (against forged requests),
access, and the headers that keep a page to itself. Decisions are functions of headers alone.
"""

import ipaddress
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

CONTENT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'"
)
HEADERS: Final[tuple[tuple[bytes, bytes], ...]] = (
    (b"content-security-policy", CONTENT_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    # not `no-referrer`: browsers then say `Origin: null` when our own forms are sent
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)
NO_STORE: Final = (b"cache-control", b"no-store")
_READING: Final = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request goes no further."""

    status: int
    code: str
    message: str


class Hosts:
    """Under which names the hub may be called."""

    def __init__(self, listen_host: str, more: Iterable[str] = ()) -> None:
        """Allow loopback's names, where it listens, and ``more``.

        A hub that listens everywhere may be called by any address, and by this machine's own name:
        rebinding needs another one.
        """
        self._names = {"localhost", listen_host.lower(), *(name.lower() for name in more)}
        address = _address(listen_host)
        self._any_address = address is not None and address.is_unspecified
        if self._any_address:
            own = socket.gethostname().lower()
            self._names |= {own, f"{own.partition('.')[0]}.local"}

    def refusal(self, header: str | None) -> Refusal | None:
        """Return why a ``Host`` is refused; None: it is one of ours."""
        name = _host_name(header or "")
        address = _address(name)
        if name in self._names or (address and (address.is_loopback or self._any_address)):
            return None
        told = f"this hub is not called {name!r:.80}" if name else "no usable Host was said"
        return Refusal(
            400,
            "http.host_refused",
            f"{told}; use the address that it printed, or start it with --allow-host NAME",
        )


def origin_refusal(method: str, headers: Mapping[str, str]) -> Refusal | None:
    """Return why a request is refused by where it comes from; None: it may go on.

    What changes something must say that it comes from our own page. What only reads may come from
    a link on another site, but not from a script, picture or stream on one.
    """
    site = headers.get("sec-fetch-site")
    if method in _READING:
        navigates = headers.get("sec-fetch-mode") == "navigate"
        ours = site in {None, "same-origin", "none"} or navigates
    else:
        origin = headers.get("origin")
        ours = (site is not None or origin is not None) and site in {None, "same-origin"}
        if origin is not None:
            ours = ours and urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
    if ours:
        return None
    return Refusal(
        403,
        "http.origin_refused",
        "the request does not come from this hub's own page; open the hub and use its buttons (a"
        " program that posts says Origin: with the hub's address)",
    )


def with_headers(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return an answer's headers with ours; what says nothing of caching is not kept."""
    ours = {name for name, _ in HEADERS}
    found = [(name, value) for name, value in headers if name.lower() not in ours]
    cached = any(name.lower() == b"cache-control" for name, _ in found)
    return [*found, *HEADERS] if cached else [*found, *HEADERS, NO_STORE]


def _host_name(header: str) -> str:
    """Return the name of ``Host``, in lower case, without port and brackets; empty: none."""
    try:
        split = urlsplit(f"//{header}")
        _ = split.port
    except ValueError:
        return ""
    clean = not (split.path or split.query or split.fragment or split.username is not None)
    return (split.hostname or "") if clean else ""


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None
