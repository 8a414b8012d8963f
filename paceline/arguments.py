"""Checks of what an application passes in: one sentence at once instead of a riddle later."""

import math
import numbers
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from paceline.errors import BadArgumentError
from wire import codec_names, ids, link_names

MAX_WINDOW: Final = 1024
"""What every stage remembers of one stream; brokers keep about as many messages for one client."""
LONGEST_SECONDS: Final = 4_000_000
"""A frame says its deadline in 32 bits of milliseconds: 49 days."""
SMALLEST_PACKET_BYTES: Final = 1024


def window(value: Any) -> int:
    """Return the frames in flight at most.

    Raises:
        BadArgumentError: It is no whole number from 1 to ``MAX_WINDOW``.
    """
    number = _whole(value)
    if number is None or not 1 <= number <= MAX_WINDOW:
        expected = f"frames in flight at most, a whole number from 1 to {MAX_WINDOW}"
        raise BadArgumentError("window", value, expected)
    return number


def rate(value: Any) -> float | None:
    """Return the frames in a second at most; None: as many as the window allows.

    Raises:
        BadArgumentError: It is no finite number above 0.
    """
    if value is None:
        return None
    number = _real(value)
    if number is None or not 0 < number < math.inf:
        expected = "frames in a second, a finite number above 0, or None for as fast as it goes"
        raise BadArgumentError("rate", value, expected)
    return number


def link(value: Any) -> str:
    """Return what carries a client's frames; None: the usual link.

    Raises:
        BadArgumentError: It is none that goes through the broker.
    """
    if value is None:
        return link_names.DEFAULT
    if value not in link_names.BROKERED:
        raise BadArgumentError("link", value, f"one of {', '.join(link_names.BROKERED)}, or None")
    return str(value)


def codec(value: Any) -> str | None:
    """Return a codec's name; None: the route's.

    Raises:
        BadArgumentError: There is no such codec.
    """
    known = codec_names.names()
    if value is None:
        return None
    if not isinstance(value, str) or value not in known:
        raise BadArgumentError("codec", value, f"one of {', '.join(known)}, or None")
    return value


def seconds(name: str, value: Any, *, zero: bool = False) -> float:
    """Return a time in seconds, above 0 or (with ``zero``) from 0.

    Raises:
        BadArgumentError: It is no such number, or more than ``LONGEST_SECONDS``.
    """
    number = _real(value)
    if number is None or number > LONGEST_SECONDS or number < 0 or (number == 0 and not zero):
        lowest = "from 0" if zero else "above 0"
        raise BadArgumentError(name, value, f"seconds, {lowest} and at most {LONGEST_SECONDS}")
    return number


def frames(value: Any) -> Iterator[Any]:
    """Return an iterator over the inputs of many frames.

    Raises:
        BadArgumentError: It is the inputs of one frame, or nothing that can be iterated over.
    """
    if isinstance(value, Mapping):
        expected = "one mapping for each frame, such as a list of them; for one: pipeline.run(...)"
        raise BadArgumentError("frames", value, expected)
    try:
        return iter(value)
    except TypeError as error:
        expected = "an iterable with one mapping of arrays by name for each frame"
        raise BadArgumentError("frames", value, expected) from error


def path(name: str, value: Any) -> Path:
    """Return a path.

    Raises:
        BadArgumentError: It is neither text nor a path.
    """
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        raise BadArgumentError(name, value, "a path, as text or pathlib.Path")
    return Path(os.fsdecode(value))


def devices(value: Any) -> tuple[str, ...]:
    """Return the devices to deploy to: one entry a segment, ``d2+d3`` for replicas.

    Raises:
        BadArgumentError: It is no list of names.
        BadIdError: A name is no id.
    """
    listed = isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)
    names = tuple(value) if listed else ()
    if not names:
        expected = "a list with one device for each segment, such as ['pi-1', 'pi-2']"
        raise BadArgumentError("devices", value, expected)
    for name in names:
        for replica in name.split("+") if isinstance(name, str) else (name,):
            ids.checked(replica, "device")
    return names


def packet_bytes(value: Any) -> int | None:
    """Return the broker's packet limit; None: not known.

    Raises:
        BadArgumentError: It is no size of a packet.
    """
    if value is None:
        return None
    number = _whole(value)
    if number is None or number < SMALLEST_PACKET_BYTES:
        expected = f"bytes, a whole number from {SMALLEST_PACKET_BYTES}, or None: not known"
        raise BadArgumentError("max_packet_bytes", value, expected)
    return number


def _whole(value: Any) -> int | None:
    """Return a whole number; None for anything else, also for a truth value."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool):
        return None
    return int(value)


def _real(value: Any) -> float | None:
    """Return a real number; None for anything else, also for a truth value and for NaN."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:
        return math.inf
    return None if math.isnan(number) else number
