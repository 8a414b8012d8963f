"""Sizes, rates, times, powers and prices as people write them. Pure.

``4GiB``, ``940Mbit`` (a second), ``8ms``, ``5W``; without a unit: bytes, bytes a second, seconds,
watts.
"""

import math
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Final

_NUMBER: Final = re.compile(r"([0-9]{1,99}(?:\.[0-9]{1,99})?(?:e[+-]?[0-9]{1,2})?) ?([A-Za-z/]*)")
_PRICE_UNIT: Final = re.compile(
    r"[A-Z]{3}/(hour|day|month|frame|million_frames|message|million_messages|GB)"
)

BYTES: Final[Mapping[str, float]] = {
    "": 1, "B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
    "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
}  # fmt: skip
RATES: Final[Mapping[str, float]] = {
    "": 1, "B/s": 1, "kB/s": 1e3, "MB/s": 1e6, "GB/s": 1e9, "KiB/s": 1 << 10, "MiB/s": 1 << 20,
    **{f"{p}bit{s}": f / 8 for p, f in (("", 1), ("k", 1e3), ("M", 1e6), ("G", 1e9))
       for s in ("", "/s")},
}  # fmt: skip
TIMES: Final[Mapping[str, float]] = {"": 1, "s": 1, "ms": 1e-3, "us": 1e-6}
POWERS: Final[Mapping[str, float]] = {"": 1, "W": 1, "mW": 1e-3, "kW": 1e3}

WANTED: Final = {
    "bytes": (BYTES, "bytes, such as 4GiB", 1e15),
    "rate": (RATES, "a rate above 0, such as 940Mbit or 110MB/s", 1e13),
    "seconds": (TIMES, "a time, such as 8ms", 1e6),
    "watts": (POWERS, "a power above 0, such as 5W", 1e9),
}
"""By kind: units, what is expected, the largest."""


def quantity(kind: str, value: object, *, zero: bool = False) -> float | None:
    """Return a quantity of ``kind``; None: ``value`` is none.

    Args:
        kind: One of ``WANTED``.
        value: A number, or a text with a unit.
        zero: Whether it may be 0.
    """
    units, _, largest = WANTED[kind]
    found = _number(value, units)
    if found is None or not math.isfinite(found) or not 0 <= found <= largest:
        return None
    return found if found or zero else None


def is_price_unit(text: str) -> bool:
    """Whether ``text`` is a currency by what is paid for, such as ``EUR/month``."""
    return _PRICE_UNIT.fullmatch(text) is not None


def _number(value: object, units: Mapping[str, float]) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value) if abs(value) < 1e300 else None
    match = _NUMBER.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or match[2] not in units:
        return None
    # 18 ms are 0.018 s, and not a hair more
    return float(Fraction(match[1]) * Fraction(str(units[match[2]])))
