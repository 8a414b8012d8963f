"""The one custom operator with options of its own: ``TFLite_Detection_PostProcess``.

Its kernel takes its options as they are, and reads as many anchors as there are boxes.
Source: LiteRT, ``tflite/kernels/detection_postprocess.cc``.
"""

import math
from collections.abc import Sequence
from typing import Final

from wire.tflite import flexbuffer
from wire.tflite.errors import FlatbufferError

_COUNTS: Final = ("max_detections", "max_classes_per_detection", "num_classes")
_SCALES: Final = ("y_scale", "x_scale", "h_scale", "w_scale")
_PER_CLASS: Final = "detections_per_class"
_MAX_COUNT: Final = 1 << 16
_COORDINATES: Final = 4


def problem(options: memoryview | None, shapes: Sequence[tuple[int, ...]]) -> str:
    """Return what is wrong with the operator, or an empty string.

    Args:
        options: Its custom options.
        shapes: Of its three inputs: boxes, scores of classes, anchors.
    """
    try:
        found = flexbuffer.numbers(options if options is not None else memoryview(b""))
    except FlatbufferError as error:
        return error.problem
    for name in (*_COUNTS, *(_SCALES), *([_PER_CLASS] if _PER_CLASS in found else [])):
        value = found.get(name, math.nan)
        most = math.inf if name in _SCALES else _MAX_COUNT
        if not 0 < value <= most or value == math.inf:
            return f"its option {name} is {value:g} (expected more than 0, at most {most:g})"
    boxes, scores, anchors = shapes
    if len(boxes) != 3 or len(scores) != 3 or boxes[2] < _COORDINATES:
        return f"boxes {list(boxes)} and scores {list(scores)} are not what it takes"
    if anchors != (boxes[1], _COORDINATES) or scores[1] != boxes[1]:
        return f"{boxes[1]} boxes need as many scores and anchors ({list(scores)}, {list(anchors)})"
    return ""
