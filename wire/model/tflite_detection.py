"""The one custom operator with options of its own: ``TFLite_Detection_PostProcess``.

Its kernel takes its options as they are, and reads as many anchors as there are boxes.
Source: LiteRT, ``tflite/kernels/detection_postprocess.cc``.
"""

from collections.abc import Sequence
from typing import Final

from wire.tflite import flexbuffer
from wire.tflite.errors import FlatbufferError

_COUNTS: Final = ("max_detections", "max_classes_per_detection", "num_classes")
_SCALES: Final = ("y_scale", "x_scale", "h_scale", "w_scale")
_PER_CLASS: Final = "detections_per_class"
_POSITIVE: Final = frozenset({*_COUNTS, *_SCALES, _PER_CLASS})
_OPTIONAL: Final = (_PER_CLASS, "use_regular_nms", "nms_score_threshold", "nms_iou_threshold")
_MOST: Final = 1 << 16
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
    for name in (*_COUNTS, *_SCALES, *_OPTIONAL):
        value = found.get(name, 1 if name in _OPTIONAL else None)
        if value is None:
            return f"its option {name} is missing, or no number"
        if name in _POSITIVE and not 0 < value <= _MOST:
            return f"its option {name} is {value:g} (expected more than 0, at most {_MOST})"
    boxes, scores, anchors = shapes
    if len(boxes) != 3 or len(scores) != 3 or boxes[2] < _COORDINATES:
        return f"boxes {list(boxes)} and scores {list(scores)} are not what it takes"
    if anchors != (boxes[1], _COORDINATES) or scores[1] != boxes[1]:
        return f"{boxes[1]} boxes need as many scores and anchors ({list(scores)}, {list(anchors)})"
    return ""
