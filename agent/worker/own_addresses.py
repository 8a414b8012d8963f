"""The addresses that others may reach this device at.

Read without netlink, which the agent's unit does not let it open.
"""

import array
import fcntl
import ipaddress
import socket
import struct
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import Final

from wire.direct.endpoint import LOOPBACK, MAX_ADDRESSES

IPV6: Final = Path("/proc/net/if_inet6")
"""A line for each address: its digits, its interface's number, length, scope, flags, name."""
_UNSPECIFIED: Final = ("0.0.0.0", "::")  # noqa: S104 what is listened to
_SIOCGIFCONF: Final = 0x8912
_SIOCGIFFLAGS: Final = 0x8913
_RUNNING: Final = 0x40
_NAME_BYTES: Final = 16
_ENTRY_BYTES: Final = _NAME_BYTES + struct.calcsize("@LLHBBB0L")
"""``struct ifreq``: a name, and a union whose largest member is ``struct ifmap``."""
_MAX_ENTRIES: Final = 256


def of(host: str) -> tuple[str, ...]:
    """Return what to offer for a socket that listens to ``host``: loopback first.

    Of an unspecified host, those of every interface that is up; addresses that are only good on
    one wire (``fe80::``) are left out.
    """
    if host not in _UNSPECIFIED:
        return (host,)
    try:
        running = _running([*_ipv4(), *(_ipv6() if host == "::" else ())])
        found = sorted(running, key=itemgetter(0))
    except OSError:
        found = []
    others = [address for _, address in found if _is_for_others(address)]
    return tuple(dict.fromkeys([LOOPBACK, *others]))[:MAX_ADDRESSES]


def _running(found: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Leave out addresses of interfaces that are down, or gone meanwhile."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for name, address in found:
            entry = name.encode().ljust(_ENTRY_BYTES, b"\0")
            try:
                told = fcntl.ioctl(asking, _SIOCGIFFLAGS, entry)
            except OSError:
                continue
            (flags,) = struct.unpack_from("@H", told, _NAME_BYTES)
            if flags & _RUNNING:
                yield name, address


def _ipv4() -> Iterator[tuple[str, str]]:
    """Yield interface and address. Source: netdevice(7), SIOCGIFCONF."""
    room = array.array("B", bytes(_ENTRY_BYTES * _MAX_ENTRIES))
    place, size = room.buffer_info()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        told = fcntl.ioctl(asking, _SIOCGIFCONF, struct.pack("@iP", size, place))
    filled, _ = struct.unpack("@iP", told)
    for at in range(0, filled, _ENTRY_BYTES):
        entry = room[at : at + _ENTRY_BYTES].tobytes()
        name = entry[:_NAME_BYTES].rstrip(b"\0").decode()
        yield name, socket.inet_ntoa(entry[_NAME_BYTES + 4 : _NAME_BYTES + 8])


def _ipv6() -> Iterator[tuple[str, str]]:
    if not IPV6.exists():  # the kernel has none
        return
    for line in IPV6.read_text().splitlines():
        digits, *_, name = line.split()
        address = ipaddress.IPv6Address(int(digits, 16))
        if not address.is_link_local:
            yield name, str(address)


def _is_for_others(address: str) -> bool:
    found = ipaddress.ip_address(address)
    return not (found.is_loopback or found.is_unspecified)
