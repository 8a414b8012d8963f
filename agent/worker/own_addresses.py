"""The addresses that others may reach this device at."""

import ipaddress
import socket

from wire.direct.endpoint import LOOPBACK, MAX_ADDRESSES

_FAMILIES = {"0.0.0.0": (socket.AF_INET,), "::": (socket.AF_INET, socket.AF_INET6)}  # noqa: S104 what is listened to


def of(host: str) -> tuple[str, ...]:
    """Return what to offer for a socket that listens to ``host``: loopback first.

    Of an unspecified host, those of every interface that is up; addresses that are only good on
    one wire (``fe80::``) are left out.
    """
    if host not in _FAMILIES:
        return (host,)
    import psutil  # noqa: PLC0415 a megabyte, which most workers never need

    state = psutil.net_if_stats()
    found = [
        entry.address
        for name, entries in sorted(psutil.net_if_addrs().items())
        if name in state and state[name].isup
        for entry in entries
        if entry.family in _FAMILIES[host] and _is_for_others(entry.address)
    ]
    return tuple(dict.fromkeys([LOOPBACK, *found]))[:MAX_ADDRESSES]


def _is_for_others(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False  # with a zone: fe80::1%eth0
    return not (found.is_loopback or found.is_unspecified)
