"""FlexBuffers, as far as custom operators' options need them: one map from names to numbers.

Kernels read these options without looking whether they end: whatever leads outside the options' own
bytes is refused. Values that are no numbers are not looked into; who knows what a kernel reads
refuses those that it would.

Source: https://flatbuffers.dev/internals/ (FlexBuffers)
"""

import struct
from collections.abc import Mapping
from typing import Final

from wire.tflite.errors import FlatbufferError

_MAP: Final = 9
_SIGNED: Final = {1: "b", 2: "h", 4: "i", 8: "q"}
_UNSIGNED: Final = {1: "B", 2: "H", 4: "I", 8: "Q"}
_REAL: Final = {2: "e", 4: "f", 8: "d"}
_NUMBERS: Final = {1: _SIGNED, 2: _UNSIGNED, 3: _REAL, 26: _UNSIGNED}
"""Types of values that stand where they are; the last is a boolean."""
_ELSEWHERE: Final = {6: _SIGNED, 7: _UNSIGNED, 8: _REAL}
"""Types of values that an offset leads to."""
_MAX_ENTRIES: Final = 64


def numbers(data: memoryview) -> Mapping[str, float | None]:
    """Return the numbers in the map that fills ``data``, a view of bytes; None: no number.

    Raises:
        FlatbufferError: It is something else, or leads outside ``data``.
    """
    if len(data) < 3:
        raise FlatbufferError(f"options of {len(data)} bytes are no map")
    width, packed = data[-1], data[-2]
    if packed >> 2 != _MAP:
        raise FlatbufferError("the options are no map")
    at = _target(data, len(data) - 2 - width, width)
    width = 1 << (packed & 3)
    count = _unsigned(data, at - width, width)
    key_width = _unsigned(data, at - 2 * width, width)
    keys = _target(data, at - 3 * width, width)
    if count > _MAX_ENTRIES or _unsigned(data, keys - key_width, key_width) != count:
        raise FlatbufferError(f"the options' map has {count} values, or not a name for each")
    found: dict[str, float | None] = {}
    for index in range(count):
        kind = _unsigned(data, at + count * width + index, 1)
        name = _name(data, _target(data, keys + index * key_width, key_width))
        found[name] = _value(data, at + index * width, width, kind)
    return found


def _value(data: memoryview, at: int, width: int, kind: int) -> float | None:
    if kind >> 2 in _ELSEWHERE:
        return _number(data, _target(data, at, width), 1 << (kind & 3), _ELSEWHERE[kind >> 2])
    if kind >> 2 in _NUMBERS:
        return _number(data, at, width, _NUMBERS[kind >> 2])
    return None


def _name(data: memoryview, at: int) -> str:
    size = bytes(data[at : at + 80]).find(b"\0")
    if size < 0:
        raise FlatbufferError("an option's name does not end")
    return str(data[at : at + size], "ascii", "replace")


def _target(data: memoryview, at: int, width: int) -> int:
    """Return where the offset at ``at``, which leads back, leads."""
    found = at - _unsigned(data, at, width)
    if not 0 <= found < len(data):
        raise FlatbufferError(f"an offset at byte {at} of the options leads outside them")
    return found


def _unsigned(data: memoryview, at: int, width: int) -> int:
    return int(_number(data, at, width, _UNSIGNED))


def _number(data: memoryview, at: int, width: int, spelled: Mapping[int, str]) -> float:
    letter = spelled.get(width)
    if letter is None or not 0 <= at <= len(data) - width:
        raise FlatbufferError(f"a number at byte {at} is outside the options, or of no size")
    number: float = struct.unpack_from(f"<{letter}", data, at)[0]
    return number
