"""Where a picture lies inside the model's input, and the way back. Pure arithmetic.

Coordinates are edges, not pixel centres: a picture of width 640 reaches from x = 0 to x = 640.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.floating[Any]]
"""``[..., 2]``: x and y."""

FITS: Final = ("letterbox", "stretch")


@dataclass(frozen=True, slots=True)
class Geometry:
    """How a picture was fitted into the model's input; all sizes in pixels."""

    picture_width: int
    picture_height: int
    model_width: int
    model_height: int
    left: int
    """Columns of padding before the picture."""
    top: int
    """Rows of padding above it."""
    width: int
    """What the picture takes of the model's width."""
    height: int

    def to_model(self, points: Points) -> NDArray[np.float64]:
        """Return points of the picture as points of the model's input."""
        placed: NDArray[np.float64] = points * self._scale + (self.left, self.top)
        return placed

    def to_picture(self, points: Points) -> NDArray[np.float64]:
        """Return points of the model's input as points of the picture; padding lies outside it."""
        moved: NDArray[np.float64] = (points - np.array((self.left, self.top))) / self._scale
        return moved

    def inside(self, points: Points) -> NDArray[np.float64]:
        """Return points of the picture, those outside moved to its nearest edge."""
        return np.clip(points, 0.0, (float(self.picture_width), float(self.picture_height)))

    @property
    def _scale(self) -> NDArray[np.float64]:
        # per axis: sizes are whole pixels, so the two differ a little even in a letterbox
        return np.array((self.width / self.picture_width, self.height / self.picture_height))


def fitted(picture: tuple[int, int], model: tuple[int, int], fit: str) -> Geometry:
    """Return how a picture of size (width, height) is fitted into a model's input.

    Args:
        picture: Width and height of the picture, at least 1.
        model: Width and height of the model's input.
        fit: ``letterbox`` keeps the aspect and pads evenly; ``stretch`` fills.
    """
    (width, height), (model_width, model_height) = picture, model
    if fit == "stretch":
        return Geometry(width, height, model_width, model_height, 0, 0, model_width, model_height)
    # compare products: a quotient could leave a picture that fits exactly one pixel short
    if width * model_height >= height * model_width:
        inner_width, inner_height = model_width, max(1, round(height * model_width / width))
    else:
        inner_width, inner_height = max(1, round(width * model_height / height)), model_height
    return Geometry(
        width,
        height,
        model_width,
        model_height,
        left=(model_width - inner_width) // 2,
        top=(model_height - inner_height) // 2,
        width=inner_width,
        height=inner_height,
    )
