"""Boxes of text lines from the probability map of a DB detector, such as PP-OCR's.

The network marks the *kernel* of each line: the line shrunk towards its middle. So a component of
pixels above the threshold becomes its smallest rectangle, which must be probable enough in the
mean, and then grows by ``area * unclip / perimeter``, the inverse of the shrinking.

Source: M. Liao et al., "Real-time Scene Text Detection with Differentiable Binarization" (2020).
"""

from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from paceline.pictures import components, rectangles
from paceline.pictures.components import Components
from paceline.pictures.errors import AnswerError
from paceline.pictures.geometry import Geometry
from paceline.pictures.rectangles import Rectangle
from wire.manifest import Answer

MAX_BOXES: Final = 1000
"""The largest components are looked at; a map of noise must not take minutes."""
MIN_KERNEL_PIXELS: Final = 3
"""A component must be so many pixels wide and high."""
MIN_SIDE_PIXELS: Final = 3
"""A box must be so wide and high in the picture, after clipping."""
_SAME_LINE: Final = 0.5
"""Boxes whose middles differ by less than this part of their height stand in one line."""


class TextBox(msgspec.Struct, frozen=True, kw_only=True):
    """One line of text that was found."""

    corners: tuple[tuple[float, float], ...]
    """Upper left, upper right, lower right, lower left; x and y in pixels of the picture."""
    score: float
    """The mean probability inside the kernel, 0 to 1."""


def find(probabilities: NDArray[Any], how: Answer, geometry: Geometry) -> tuple[TextBox, ...]:
    """Return the text boxes in reading order.

    Args:
        probabilities: ``[1, 1, H, W]``, ``[1, H, W]`` or ``[H, W]``, 0 to 1. H and W may differ
            from the model's input: the map covers it whole.
        how: The manifest's ``postprocess`` block.
        geometry: What ``preprocess`` gave for the picture.

    Raises:
        AnswerError: The tensor is no such map, or holds NaN.
    """
    heat = _map(probabilities, how)
    mask = heat > how.threshold
    if geometry.left or geometry.top:
        _clear_padding(mask, geometry)
    found = components.label(mask)
    step = (geometry.model_width / heat.shape[1], geometry.model_height / heat.shape[0])
    boxes = []
    for kernel in _kernels(found):
        score = _mean_inside(heat, kernel)
        if score < how.box_threshold:
            continue
        perimeter = 2 * (kernel.width + kernel.height)
        grown = kernel.grown(kernel.width * kernel.height * how.unclip / perimeter)
        corners = geometry.inside(geometry.to_picture(grown.corners() * step))
        if _side(corners, 1) >= MIN_SIDE_PIXELS and _side(corners, 3) >= MIN_SIDE_PIXELS:
            rounded = tuple((round(float(x), 2), round(float(y), 2)) for x, y in corners)
            boxes.append(TextBox(corners=rounded, score=round(score, 4)))
    return tuple(in_reading_order(boxes))


def in_reading_order(boxes: list[TextBox]) -> list[TextBox]:
    """Return the boxes line by line from the top, each line from the left."""
    lines: list[list[TextBox]] = []
    for box in sorted(boxes, key=_middle):
        previous = lines[-1][0] if lines else None
        if previous and _middle(box) - _middle(previous) < _SAME_LINE * _height(previous):
            lines[-1].append(box)
        else:
            lines.append([box])
    return [box for line in lines for box in sorted(line, key=lambda box: box.corners[0])]


def _map(probabilities: NDArray[Any], how: Answer) -> NDArray[np.float32]:
    shape = probabilities.shape
    heat = probabilities.reshape(shape[-2:]) if len(shape) >= 2 and set(shape[:-2]) <= {1} else None
    if heat is None or not heat.size:
        problem = f"{how.output!r} is no probability map (got {list(shape)}, expected [1,1,H,W])"
        raise AnswerError("output", problem)
    heat = heat.astype(np.float32, copy=False)
    if np.isnan(heat).any():
        raise AnswerError("output", f"{how.output!r} holds NaN (expected probabilities)")
    return heat


def _clear_padding(mask: NDArray[np.bool_], geometry: Geometry) -> None:
    """Take the letterbox's padding out, so that nothing is found in it or grows out of it."""
    down, across = mask.shape[0] / geometry.model_height, mask.shape[1] / geometry.model_width
    mask[: int(geometry.top * down)] = False
    mask[int(np.ceil((geometry.top + geometry.height) * down)) :] = False
    mask[:, : int(geometry.left * across)] = False
    mask[:, int(np.ceil((geometry.left + geometry.width) * across)) :] = False


def _kernels(found: Components) -> list[Rectangle]:
    """Return the smallest rectangles of the components that are large enough, largest first."""
    bounds, sizes = found.bounds(), found.sizes()
    wide, high = bounds[:, 2] - bounds[:, 0], bounds[:, 3] - bounds[:, 1]
    enough = np.flatnonzero(np.minimum(wide, high) >= MIN_KERNEL_PIXELS)
    largest = enough[np.argsort(-sizes[enough], kind="stable")][:MAX_BOXES]
    runs = found.runs_by_label()
    kernels = [rectangles.smallest(_outline(found, runs[index])) for index in largest]
    return [one for one in kernels if min(one.width, one.height) >= MIN_KERNEL_PIXELS]


def _outline(found: Components, runs: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the corners of a component's runs: as far as its hull goes, they are its pixels."""
    rows, starts, ends = found.rows[runs], found.starts[runs], found.ends[runs]
    x = np.concatenate((starts, ends, starts, ends))
    y = np.concatenate((rows, rows, rows + 1, rows + 1))
    return np.stack((x, y), axis=1).astype(np.float64)


def _mean_inside(heat: NDArray[np.float32], kernel: Rectangle) -> float:
    """Return the mean probability of the pixels whose middle lies in the rectangle."""
    corners = kernel.corners()
    left, top = np.maximum(np.floor(corners.min(0)).astype(int), 0)
    right, bottom = np.ceil(corners.max(0)).astype(int)
    window = heat[top:bottom, left:right]
    y, x = np.mgrid[top : top + window.shape[0], left : left + window.shape[1]] + 0.5
    inside = window[kernel.contains(np.stack((x, y), axis=-1))]
    return float(inside.mean(dtype=np.float64)) if inside.size else 0.0


def _side(corners: NDArray[np.float64], to: int) -> float:
    return float(np.hypot(*(corners[to] - corners[0])))


def _middle(box: TextBox) -> float:
    return sum(y for _, y in box.corners) / 4


def _height(box: TextBox) -> float:
    ys = [y for _, y in box.corners]
    return max(ys) - min(ys)
