"""Broker addresses: ``mqtt://host:1883?protocol=auto|5|3.1.1``, ``mqtts://``, ``ws(s)://``."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from wire.errors import BadUrlError

DEFAULT_URL: Final = "mqtt://localhost:1883"
_PORTS: Final = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443}
_PROTOCOLS: Final = ("auto", "5", "3.1.1")
_NETWORK_PLACE: Final = re.compile(r"(\[[^\[\]]*\]|[^\[\]:]*)(:[0-9]*)?")
_HOST: Final = re.compile(r"[^\s/?#\\\x00-\x20]{1,255}")


@dataclass(frozen=True, slots=True)
class BrokerUrl:
    """A broker address, taken apart."""

    scheme: str
    host: str
    port: int
    protocol: str = "auto"
    path: str = ""

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.scheme in {"mqtts", "wss"}

    @property
    def websocket(self) -> bool:
        """Whether MQTT travels inside a WebSocket."""
        return self.scheme in {"ws", "wss"}

    @property
    def loopback(self) -> bool:
        """Whether it is this machine by its name or address; no name is resolved."""
        return is_loopback(self.host)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"


def parse(url: str) -> BrokerUrl:
    """Return the parts of ``url``.

    Raises:
        BadUrlError: Scheme, host, port or protocol is not understood, or it holds a password.
    """
    if "@" in url:
        raise BadUrlError(_shown(url), "user and password stand in the config, never in a URL")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadUrlError(_shown(url), "host or port is malformed") from error
    if not _NETWORK_PLACE.fullmatch(parts.netloc):
        raise BadUrlError(_shown(url), "host or port is malformed")
    if parts.scheme not in _PORTS:
        raise BadUrlError(_shown(url), f"unknown scheme (expected {', '.join(_PORTS)})")
    host = unquote(parts.hostname or "")
    if not is_host(host):
        raise BadUrlError(_shown(url), "names no host")
    if port == 0:
        raise BadUrlError(_shown(url), "port 0 cannot be connected to")
    websocket = parts.scheme in {"ws", "wss"}
    if parts.fragment or not (websocket or parts.path in {"", "/"}):
        raise BadUrlError(_shown(url), "goes on behind host and port")
    return BrokerUrl(
        parts.scheme,
        host,
        port or _PORTS[parts.scheme],
        _protocol(parts.query, url),
        parts.path if websocket else "",
    )


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine, seen from itself; no name is resolved."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_host(host: str) -> bool:
    """Whether ``host`` can be looked up at all: ``a..b`` cannot."""
    try:
        host.encode("idna")  # as the resolver does it
    except UnicodeError:
        return False
    return _HOST.fullmatch(host) is not None


def _protocol(query: str, url: str) -> str:
    asked = dict(parse_qsl(query, keep_blank_values=True))
    protocol = asked.pop("protocol", "auto")
    if asked or protocol not in _PROTOCOLS:
        raise BadUrlError(_shown(url), f"query (expected protocol={'|'.join(_PROTOCOLS)})")
    return protocol


def _shown(url: str) -> str:
    """Return what of ``url`` may be shown: no user, no password, no query."""
    head, at, tail = url.rpartition("@")
    if at:
        scheme, found, _ = head.partition("://")
        return f"{scheme}://...@{tail.partition('?')[0]}" if found else "..."
    bare, mark, _ = url.partition("?")
    return f"{bare}?..." if mark else bare
