"""Draw why each cut of a plan is where it is: what it would cost a few blocks earlier or later.

One small plot for each cut. From left to right are places of this cut, all others staying where
they are; the height is by how much the plan would be worse there. Where it would not fit, the place
is shaded.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from paceline.show import svg

IN_A_ROW: Final = 3
_LEFT: Final = 20
_WIDTH: Final = 320
"""Of one plot with its labels."""
_PLOT: Final = (46, 252)
"""Where the plot begins in it, and how wide it is."""
_HEIGHT: Final = 80
_ROW: Final = 150
_MOST: Final = 1.0
"""What is worse by more is cut off."""
_LEAST: Final = 0.05
"""The plots are at least so high."""

_STYLE: Final = (
    "<style>.dot{fill:#0a58b8}.grey{fill:#8c959f;fill-opacity:.28}"
    "@media (prefers-color-scheme:dark){.dot{fill:#79b8ff}}</style>"
)


class Moved(NamedTuple):
    """One cut at other places."""

    at: int
    """The block that it is behind."""
    worse: dict[int, float | None]
    """By the block that it would be behind; as a share. None: it does not fit."""


class Choices:
    """The plots, to be put into any picture.

    Args:
        moves: Each cut, at other places.
        top: Where the first row begins.
    """

    def __init__(self, moves: Sequence[Moved], top: float) -> None:
        self._moves = moves
        self._top = top
        known = [w for one in moves for w in one.worse.values() if w is not None]
        self._most = min(_MOST, max([_LEAST, *known]))
        self._least = min(0.0, *known, 0.0)
        self.bottom = round(top + _ROW * -(-len(moves) // IN_A_ROW))
        """Where whatever follows may begin."""

    def parts(self) -> Iterator[str]:
        """Yield all plots."""
        yield _STYLE
        for number, one in enumerate(self._moves):
            left = _LEFT + _WIDTH * (number % IN_A_ROW) + _PLOT[0]
            top = self._top + _ROW * (number // IN_A_ROW) + 24
            yield from self._plot(one, number + 1, left, top)

    def _plot(self, one: Moved, number: int, left: float, top: float) -> Iterator[str]:
        places = sorted(one.worse)
        bottom = top + _HEIGHT
        step = _PLOT[1] / max(1, len(places))

        def x(place: int) -> float:
            return left + step * (place - places[0] + 0.5)

        def y(worse: float) -> float:
            part = (min(worse, self._most) - self._least) / (self._most - self._least)
            return bottom - _HEIGHT * part

        for place in places:
            if one.worse[place] is None:
                yield svg.rect(x(place) - step / 2, top, step, _HEIGHT, "grey")
        for worse in dict.fromkeys((self._least, 0.0, self._most / 2, self._most)):
            yield svg.line(left, y(worse), left + _PLOT[1], y(worse), "grid")
            yield svg.text(left - 6, y(worse) + 4, _percent(worse), "muted small end")
        yield svg.line(x(one.at), top - 6, x(one.at), bottom, "cut")
        yield svg.badge(x(one.at), top - 10, str(number))
        known = [(place, worse) for place, worse in sorted(one.worse.items()) if worse is not None]
        for (a, before), (b, after) in pairwise(known):
            if b == a + 1:
                yield svg.line(x(a), y(before), x(b), y(after), "rim")
        for place, worse in known:
            tooltip = f"behind block {place}: {_percent(worse)}"
            dot = svg.rect(x(place) - 2.5, y(worse) - 2.5, 5, 5, "dot")
            yield svg.group(tooltip, [dot], "place")
        for place in dict.fromkeys((places[0], one.at, places[-1])):
            yield svg.text(x(place), bottom + 15, str(place), "muted small middle")


def _percent(worse: float) -> str:
    if abs(worse) < 5e-4:
        return "0 %"
    return f"{worse:+.{0 if abs(worse) >= 0.095 else 1}%}".replace("%", " %")
