"""Where ticks, badges and names go in a picture, so that none covers another.

Pure: no I/O.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from paceline.show import svg

BADGE_GAP: Final = 26
"""Badges nearer than this stand in different rows."""
BADGE_ROWS: Final = 4
LEAST_NAME: Final = 18
"""Letters that a name gets at least, before another one is only counted."""


def byte_ticks(most_bytes: int) -> list[int]:
    """Return sizes for gridlines, the largest first: a fourth is half as high."""
    tick = 1 << max(most_bytes, 1).bit_length() - 1
    return [tick >> shift for shift in (0, 2, 4, 6) if tick >> shift] if most_bytes else [0]


def place_ticks(end: int) -> list[int]:
    """Return about ten round numbers from 0 to ``end``."""
    step = 1
    while end / step > 10:
        step = step * 5 // 2 if str(step)[0] == "2" else step * 2
    return list(range(0, end + 1, step))


def joined(names: Sequence[str], room: int) -> str:
    """Return names joined by plus signs, shortened to ``room`` letters; the rest are counted."""
    for shown in range(len(names), 0, -1):
        rest = f" + {len(names) - shown} more" if shown < len(names) else ""
        each = (room - len(rest) - 3 * (shown - 1)) // shown
        if (
            each >= LEAST_NAME
            or shown == 1
            or sum(map(svg.columns, names)) + 3 * (shown - 1) <= room
        ):
            spare = room - len(rest) - 3 * (shown - 1)
            return " + ".join(_shared(names[:shown], spare)) + rest
    return ""


def _shared(names: Sequence[str], room: int) -> Iterator[str]:
    """Yield names that share ``room``: what short ones leave is for the long ones."""
    left = len(names)
    lengths = sorted(map(svg.columns, names))
    limit = room
    for length in lengths:
        limit = room // left
        if length > limit:
            break
        room -= length
        left -= 1
        limit = max(limit, length)
    for name in names:
        yield svg.fitted(name, limit, 1)


def badge_rows(places: Sequence[float]) -> list[int]:
    """Return a row for each badge, so that those of one row do not touch."""
    ends = [float("-inf")] * BADGE_ROWS
    rows = []
    for x in places:
        free = [row for row in range(BADGE_ROWS) if x - ends[row] >= BADGE_GAP]
        row = free[0] if free else ends.index(min(ends))
        ends[row] = x
        rows.append(row)
    return rows


def runs(cuttable: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """Yield stretches of places that cannot be cut; the two ends are none."""
    begin = None
    for place in range(1, len(cuttable)):
        inner = place < len(cuttable) - 1
        if inner and not cuttable[place]:
            begin = place if begin is None else begin
        elif begin is not None:
            yield begin, place
            begin = None
