"""A manifest's ``postprocess`` block: from output tensors to what people want to see."""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from paceline.pictures import labels, text_boxes
from paceline.pictures.errors import AnswerError
from paceline.pictures.geometry import Geometry
from paceline.pictures.labels import Label
from paceline.pictures.text_boxes import TextBox
from wire.manifest import Answer

Found = tuple[Label, ...] | tuple[TextBox, ...]
"""What was found, best or first first; msgspec turns it into JSON."""


def read(outputs: Mapping[str, NDArray[Any]], how: Answer, geometry: Geometry) -> Found:
    """Return what the outputs for one picture say.

    Args:
        outputs: The pipeline's outputs by name; only ``how.output`` is read.
        how: The manifest's block.
        geometry: What ``preprocess`` gave for the picture; boxes are mapped back through it.

    Raises:
        AnswerError: The output is missing, or not what the block's kind reads.
    """
    if how.output not in outputs:
        problem = f"there is no output {how.output!r} (got {sorted(outputs)})"
        raise AnswerError("output", problem)
    scores = outputs[how.output]
    match how.kind:
        case "labels":
            return labels.best(scores, how)
        case "text_boxes":
            return text_boxes.find(scores, how, geometry)
    raise AnswerError("kind", f"unknown (got {how.kind!r}, expected 'labels' or 'text_boxes')")
