"""Sizes as options take them: 600000, 600kB, 64KiB."""

from collections.abc import Sequence
from typing import Any, Final

from cyclopts import Token

from fleet.fleet_file import quantities

EXAMPLES: Final = "600000, 600kB or 64KiB"


def whole_bytes(_: Any, tokens: Sequence[Token]) -> int:
    """Return the bytes that an option's one value says; a cyclopts converter.

    Raises:
        ValueError: It is no size, or no whole number of bytes.
    """
    text = tokens[0].value
    size = quantities.quantity("bytes", text)
    if size is None or not size.is_integer():
        raise ValueError(f"{text!r:.40} is no size (such as {EXAMPLES})")
    return int(size)
