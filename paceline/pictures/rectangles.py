"""Upright and turned rectangles around points. Pure numpy on a few points; corners are edges."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
"""``[P, 2]``: x and y."""

UPRIGHT_WITHIN: Final = 1.1
"""An upright rectangle at most this much larger than the smallest one is taken instead: the ragged
edge of an upright line must not turn its box."""


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A rectangle that may be turned."""

    centre: Points
    """``[2]``."""
    along: Points
    """``[2]``: the unit vector of its first side, pointing right, at most 45 degrees from level."""
    width: float
    """Length along ``along``."""
    height: float

    def corners(self) -> Points:
        """Return ``[4, 2]``: upper left, upper right, lower right, lower left."""
        across = np.array((-self.along[1], self.along[0]))
        right, down = self.along * (self.width / 2), across * (self.height / 2)
        signs = np.array(((-1, -1), (1, -1), (1, 1), (-1, 1)), dtype=np.float64)
        return self.centre + signs @ np.stack((right, down))

    def grown(self, distance: float) -> "Rectangle":
        """Return the rectangle with each side moved outwards by ``distance``."""
        more = 2 * distance
        return Rectangle(self.centre, self.along, self.width + more, self.height + more)

    def contains(self, points: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
        """Return for each of ``[..., 2]`` points whether it lies inside or on the edge."""
        offset = points - self.centre
        across = np.array((-self.along[1], self.along[0]))
        near = np.abs(offset @ self.along) <= self.width / 2
        inside: NDArray[np.bool_] = near & (np.abs(offset @ across) <= self.height / 2)
        return inside


def smallest(points: Points) -> Rectangle:
    """Return the rectangle of smallest area around ``points`` (at least three, not on one line).

    Source: H. Freeman, R. Shapira, "Determining the minimum-area encasing rectangle for an
    arbitrary closed curve" (1975): one of its sides lies on the convex hull.
    """
    hull = convex_hull(points)
    sides = np.roll(hull, -1, axis=0) - hull
    angles = np.unique(np.append(np.arctan2(sides[:, 1], sides[:, 0]) % (np.pi / 2), 0.0))
    angles = np.where(angles > np.pi / 4, angles - np.pi / 2, angles)
    along = np.stack((np.cos(angles), np.sin(angles)), axis=1)
    across = np.stack((-along[:, 1], along[:, 0]), axis=1)
    x, y = hull @ along.T, hull @ across.T
    left, right, top, bottom = x.min(0), x.max(0), y.min(0), y.max(0)
    areas = (right - left) * (bottom - top)
    best = int(np.argmin(areas))
    upright = int(np.argmin(np.abs(angles)))
    if areas[upright] <= areas[best] * UPRIGHT_WITHIN:
        best = upright
    centre = (
        along[best] * (left[best] + right[best]) / 2 + across[best] * (top[best] + bottom[best]) / 2
    )
    return Rectangle(
        centre, along[best], float(right[best] - left[best]), float(bottom[best] - top[best])
    )


def convex_hull(points: Points) -> Points:
    """Return the corners of the convex hull in order, without points on its sides.

    Source: A. M. Andrew, "Another efficient algorithm for convex hulls" (1979).
    """
    ordered = [(float(x), float(y)) for x, y in np.unique(points, axis=0)]
    halves = []
    for way in (ordered, ordered[::-1]):
        half: list[tuple[float, float]] = []
        for point in way:
            while len(half) > 1 and _turn(half[-2], half[-1], point) <= 0:
                half.pop()
            half.append(point)
        halves.append(half[:-1])
    return np.array(halves[0] + halves[1], dtype=np.float64).reshape(-1, 2)


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
