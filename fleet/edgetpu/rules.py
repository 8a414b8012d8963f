"""Published limitations of the Edge TPU's operators that can be checked in a model. Pure.

Each rule takes an operator and returns what is wrong, empty where nothing is.
Source: ``source`` in `operators.json`; what it calls x, y and z are the last three dimensions.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from fleet.edgetpu.model import Operator, Tensor

Rule = Callable[[Operator], str]
MOST_SOFTMAX: Final = 16_000
_CHANNELS: Final = 4


def _no_fused_activation(op: Operator) -> str:
    return "has a fused activation" if op.options.get("fusedActivationFunction") else ""


def _only_zeros_joined(op: Operator) -> str:
    fixed = [one for one in op.inputs if one is not None and one.data is not None]
    if not fixed:
        return ""
    zero = fixed[0].zero_points[0] if fixed[0].zero_points else 0
    values = fixed[0].values
    padding = len(op.inputs) == 2 and values is not None and bool((values == zero).all())
    return "" if padding else "joins a constant that is not all zeros, or more than two tensors"


def _dilation(op: Operator) -> tuple[int, int]:
    return op.options.get("dilationHFactor", 1), op.options.get("dilationWFactor", 1)


def _same_dilation(op: Operator) -> str:
    high, wide = _dilation(op)
    return "" if high == wide else "is dilated by other numbers in x than in y"


def _no_dilation(op: Operator) -> str:
    return "is dilated" if _dilation(op) != (1, 1) else ""


def _default_weights(op: Operator) -> str:
    return (
        "has weights in another than the default format" if op.options.get("weightsFormat") else ""
    )


def _flat_output(op: Operator) -> str:
    return "" if _is_flat(op.outputs[0]) else "writes more than one dimension"


def _is_flat(tensor: Tensor) -> bool:
    return all(size == 1 for size in tensor.shape[:-1])


def _axes(op: Operator, place: int = 1) -> set[int] | None:
    """Return the axes that an operator names, counted from 0; None: they are computed."""
    named = op.inputs[place] if place < len(op.inputs) else None
    if named is None or named.values is None:
        return None
    data = op.inputs[0] if place else op.inputs[1]
    rank = len(data.shape) if data is not None else 0
    return {int(axis) % max(rank, 1) for axis in named.values}


def _batch_kept(op: Operator) -> str:
    axes = _axes(op)
    if axes is None:
        return "reduces along axes that are computed"
    return "reduces along the batch" if 0 in axes else ""


def _along_channels(op: Operator) -> int | None:
    """Return how many channels are reduced; None: none are."""
    data, axes = op.inputs[0], _axes(op)
    if data is None or axes is None or len(data.shape) - 1 not in axes:
        return None
    return data.shape[-1]


def _channels_by_four(op: Operator) -> str:
    channels = _along_channels(op)
    if channels is None or channels % _CHANNELS == 0:
        return ""
    return f"reduces a number of channels that is no multiple of {_CHANNELS}"


def _channels_kept(op: Operator) -> str:
    return "" if _along_channels(op) is None else "reduces along the channels"


def _not_along_batch(op: Operator) -> str:
    rank = len(op.outputs[0].shape)
    return "packs along the batch" if op.options.get("axis", 0) % max(rank, 1) == 0 else ""


def _padded(op: Operator, axis: int) -> bool:
    amounts = op.inputs[1].values if op.inputs[1] is not None else None
    return amounts is None or bool(amounts.reshape(-1, 2)[axis].any())


def _batch_not_padded(op: Operator) -> str:
    return "pads the batch" if _padded(op, 0) else ""


def _channels_not_padded(op: Operator) -> str:
    return "pads the channels" if _padded(op, -1) else ""


def _slope_by_channel(op: Operator) -> str:
    slope = op.inputs[1]
    flat = slope is not None and _is_flat(slope)
    return "" if flat else "has slopes along more than the channels"


def _flat_softmax(op: Operator) -> str:
    data = op.inputs[0]
    if data is None or not _is_flat(data):
        return "takes more than one dimension"
    size = data.shape[-1] if data.shape else 1
    return f"takes more than {MOST_SOFTMAX} elements" if size > MOST_SOFTMAX else ""


def _batch_not_split(op: Operator) -> str:
    axes = _axes(op, 0)
    return "splits the batch" if axes is None or 0 in axes else ""


def _leading_ones(op: Operator) -> str:
    data = op.inputs[0]
    sizes = data.shape if data is not None else ()
    large = [place for place, size in enumerate(sizes) if size > 1]
    ones_behind = large and any(size == 1 for size in sizes[large[0] :])
    return "removes a dimension behind one that stays" if ones_behind else ""


def _plain_stride(op: Operator) -> str:
    steps = op.inputs[3].values if len(op.inputs) > 3 and op.inputs[3] is not None else None
    if steps is None or (steps != 1).any():
        return "has a stride other than 1"
    masks = op.options.get("ellipsisMask") or op.options.get("newAxisMask")
    return "has an ellipsis or adds a dimension" if masks else ""


RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "batch_kept": _batch_kept,
        "batch_not_padded": _batch_not_padded,
        "batch_not_split": _batch_not_split,
        "channels_by_four": _channels_by_four,
        "channels_kept": _channels_kept,
        "channels_not_padded": _channels_not_padded,
        "default_weights": _default_weights,
        "flat_output": _flat_output,
        "flat_softmax": _flat_softmax,
        "leading_ones": _leading_ones,
        "no_dilation": _no_dilation,
        "no_fused_activation": _no_fused_activation,
        "not_along_batch": _not_along_batch,
        "only_zeros_joined": _only_zeros_joined,
        "plain_stride": _plain_stride,
        "same_dilation": _same_dilation,
        "slope_by_channel": _slope_by_channel,
    }
)
"""By the names that `operators.json` has for them."""
