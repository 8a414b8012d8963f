"""What ``--concurrency`` says: which windows to measure. Pure."""

from typing import Final

from paceline.bench.errors import BadConcurrencyError

MOST: Final = 1024
"""The largest window that a stream takes."""


def windows(text: str) -> tuple[int, ...]:
    """Return the windows that ``text`` names: ``4``, ``1:8``, ``1:16:2`` or ``1,2,4``.

    Raises:
        BadConcurrencyError: It is something else.
    """
    found: list[int] = []
    for part in text.split(","):
        sizes = part.strip().split(":")
        if len(sizes) > 3 or not all(size.isascii() and size.isdigit() for size in sizes):
            raise BadConcurrencyError(text, MOST)
        first, *rest = (int(size[:6]) for size in sizes)
        last, step = (*rest, 1)[:2] if rest else (first, 1)
        if not (1 <= first <= last <= MOST and step >= 1):
            raise BadConcurrencyError(text, MOST)
        found += range(first, last + 1, step)
    return tuple(dict.fromkeys(found))
