"""Operators that move elements about, or compute with shapes."""

from typing import Any

import numpy as np
from onnx import numpy_helper

from tests.generated.building import (
    ANY,
    BOOL,
    F64,
    FLOATS,
    I32,
    I64,
    NUMBERS,
    Build,
    F,
    Tensor,
)  # fmt: skip
from tests.generated.single_nodes import UnfitError
from tests.generated.weights import exactly, numbers


def as_input(
    build: Build, since: int, name: str, *values: int
) -> tuple[list[Tensor], dict[str, Any]]:
    """Return integers as the input that they are since an opset, or as the attribute before."""
    if build.opset >= since:
        return [numbers(build, *values)], {}
    return [], {name: list(values)}


def transposed(build: Build) -> Tensor:
    """Exchange axes."""
    tensor = build.pick(ANY, (2, 3, 4))
    order = list(range(tensor.rank))
    return build.op("Transpose", [tensor], perm=[order[0], *reversed(order[1:])])[0]


def reshaped(build: Build) -> Tensor:
    """Reshape, by numbers that are written down or computed from a shape."""
    tensor = build.pick(ANY, (2, 3, 4))
    if build.chance(3):
        return build.op("Flatten", [tensor])[0]
    if build.chance(2):
        return build.op("Reshape", [tensor, numbers(build, 0, -1)])[0]
    (shape,) = build.op("Shape", [tensor])
    (rows,) = build.op("Gather", [shape, numbers(build, 0)])
    (target,) = build.op("Concat", [rows, numbers(build, -1)], axis=0)
    return build.op("Reshape", [tensor, target])[0]


def unsqueezed(build: Build) -> Tensor:
    """Add an axis of one, and take it away again or not."""
    tensor = build.pick(ANY, (0, 1, 2, 3))
    inputs, attributes = as_input(build, 13, "axes", 0)
    (made,) = build.op("Unsqueeze", [tensor, *inputs], **attributes)
    if build.chance(2):
        return made
    if tensor.dtype in FLOATS and build.chance(2):
        (made,) = build.op("Neg", [made])
    return build.op("Squeeze", [made, *inputs], **attributes)[0]


def halves(build: Build) -> Tensor:
    """Split into several outputs, of which some may go unread."""
    tensor = build.pick(NUMBERS, (2, 3, 4), fits=lambda t: t.size(1) >= 2)
    size = tensor.shape[1]
    if build.opset >= 18 and build.chance(2):
        return build.choose(build.op("Split", [tensor], 2, axis=1, num_outputs=2))
    inputs, attributes = as_input(build, 13, "split", 1, size - 1)
    return build.choose(build.op("Split", [tensor, *inputs], 2, axis=1, **attributes))


def joined(build: Build) -> Tensor:
    """Concatenate tensors of one shape."""
    tensor = build.pick(ANY, (1, 2, 3, 4))
    same = [
        t for t in build.visible()
        if t.dtype == tensor.dtype and t.shape == tensor.shape and t.known
    ]  # fmt: skip
    others = [build.choose(same) for _ in range(build.size(1, 2))]
    return build.op("Concat", [tensor, *others], axis=tensor.rank - 1)[0]


def sliced(build: Build) -> Tensor:
    """Cut out a range of an axis."""
    tensor = build.pick(ANY, (2, 3, 4), fits=lambda t: t.size(-1) >= 2)
    axis = tensor.rank - 1
    if build.opset < 10:
        return build.op("Slice", [tensor], axes=[axis], starts=[1], ends=[9999])[0]
    ends = [numbers(build, n) for n in (1, 9999, axis)]
    step = [numbers(build, build.choose((1, 2)))] if build.chance(2) else []
    return build.op("Slice", [tensor, *ends, *step])[0]


def padded(build: Build) -> Tensor:
    """Add a border."""
    tensor = build.pick((F, F64, I64, I32), (2, 3))
    pads = [0] * (2 * tensor.rank)
    pads[-1] = 1
    inputs, attributes = as_input(build, 11, "pads", *pads)
    if build.opset < 11 and tensor.dtype not in (F, F64):
        raise UnfitError
    return build.op("Pad", [tensor, *inputs], **attributes)[0]


def tiled(build: Build) -> Tensor:
    """Repeat the last axis, which is short."""
    tensor = build.pick((F, I64, BOOL), (1, 2, 3), fits=lambda t: 0 < t.size(-1) <= 8)
    return build.op("Tile", [tensor, numbers(build, *[1] * (tensor.rank - 1), 2)])[0]


def expanded(build: Build) -> Tensor:
    """Broadcast to the shape of another tensor."""
    like = build.pick(ANY, (1, 2, 3))
    scalar = build.pick((F, I64), (0,))
    (shape,) = build.op("Shape", [like])
    return build.op("Expand", [scalar, shape])[0]


def resized(build: Build) -> Tensor:
    """Enlarge pictures, with inputs left out."""
    tensor = build.pick((F,), (4,), lambda t: 0 < t.size(2) * t.size(3) <= 64, exact=True)
    if tensor.shape[1] == 4 and build.chance(3):
        return build.op("DepthToSpace", [tensor], blocksize=2)[0]
    factors = np.array([1, 1, 2, 2], np.float32)
    if build.opset < 9:
        return build.op("Upsample", [tensor], scales=factors.tolist())[0]
    scales = exactly(build, factors)
    if build.opset < 11:
        return build.op("Upsample" if build.opset == 9 else "Resize", [tensor, scales])[0]
    empty = None if build.opset >= 13 else exactly(build, np.zeros(0, np.float32))
    return build.op("Resize", [tensor, empty, scales], mode="nearest")[0]


def shape_of(build: Build) -> Tensor:
    """A tensor's shape or size as a tensor."""
    tensor = build.pick(ANY)
    if build.chance(4):
        return build.op("Size", [tensor])[0]
    some = {"start": 0, "end": 1} if build.opset >= 15 and build.chance(3) else {}
    return build.op("Shape", [tensor], **some)[0]


def counted(build: Build) -> Tensor:
    """As many numbers as a tensor has elements."""
    (size,) = build.op("Size", [build.pick(ANY, (0, 1, 2))])
    zero, one = (exactly(build, np.array(n, np.int64)) for n in (0, 1))
    return build.op("Range", [zero, size, one])[0]


def filled(build: Build) -> Tensor:
    """Make a tensor of the size of another."""
    (shape,) = build.op("Shape", [build.pick(ANY, fits=lambda t: t.known)])
    value = numpy_helper.from_array(np.array([2], build.choose((np.float32, np.int64))))
    return build.op("ConstantOfShape", [shape], value=value)[0]
