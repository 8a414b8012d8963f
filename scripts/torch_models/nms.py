"""Non-maximum suppression as an operator that both exporters write as ONNX's NonMaxSuppression.

Torch has none of its own (torchvision's is another package, and it exports into more than one
node), so here is a custom operator: it runs in torch, tells torch.export the shape of what it
returns (how many boxes are found is known only when it runs), and has a translation for each
exporter.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from onnxscript import opset18
from torch import Tensor
from torch.onnx import symbolic_helper


@torch.library.custom_op("paceline_zoo::select", mutates_args=())
def select(boxes: Tensor, scores: Tensor, most: int, overlap: float, threshold: float) -> Tensor:
    """Return rows (batch, class, box) [n, 3] int64 of the boxes to keep, best first in each class.

    Args:
        boxes: [batch, boxes, 4], two opposite corners each.
        scores: [batch, classes, boxes].
        most: At most so many for each class.
        overlap: Drop boxes that overlap a better one by more: intersection over union.
        threshold: Drop boxes with a lower score.
    """
    rows = []
    for batch in range(scores.shape[0]):
        for kind in range(scores.shape[1]):
            order = scores[batch, kind].argsort(descending=True, stable=True)
            left = order[scores[batch, kind, order] > threshold]
            kept: list[int] = []
            while left.numel() and len(kept) < most:
                kept.append(int(left[0]))
                left = left[_overlaps(boxes[batch, left[0]], boxes[batch, left]) <= overlap]
            rows += [(batch, kind, box) for box in kept]
    return torch.tensor(rows, dtype=torch.int64).reshape(-1, 3)


def _overlaps(one: Tensor, others: Tensor) -> Tensor:
    corner, opposite = torch.maximum(one[:2], others[:, :2]), torch.minimum(one[2:], others[:, 2:])
    shared = (opposite - corner).clamp(0).prod(-1)
    areas = (others[:, 2:] - others[:, :2]).prod(-1)
    return shared / ((one[2:] - one[:2]).prod() + areas - shared)


@select.register_fake
def _(boxes: Tensor, *_: object) -> Tensor:
    found = torch.library.get_ctx().new_dynamic_size()
    return boxes.new_empty((found, 3), dtype=torch.int64)


def _dynamo(boxes: Any, scores: Any, most: int, overlap: float, threshold: float) -> Any:
    return opset18.NonMaxSuppression(boxes, scores, [most], [overlap], [threshold])


@symbolic_helper.parse_args("v", "v", "i", "f", "f")
def _torchscript(
    g: Any, boxes: Any, scores: Any, most: int, overlap: float, threshold: float
) -> Any:
    values = (torch.tensor([most]), torch.tensor([overlap]), torch.tensor([threshold]))
    limits = [g.op("Constant", value_t=value) for value in values]
    return g.op("NonMaxSuppression", boxes, scores, *limits)


def translations() -> Mapping[Callable[..., Any], Callable[..., Any]]:
    """Return the table for torch.onnx.export(dynamo=True)."""
    return {torch.ops.paceline_zoo.select.default: _dynamo}


def register_for_torchscript(opset: int) -> None:
    """Make the operator known to torch.onnx.export(dynamo=False)."""
    torch.onnx.register_custom_op_symbolic("paceline_zoo::select", _torchscript, opset)
