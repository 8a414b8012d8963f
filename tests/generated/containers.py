"""Values that are no tensors, and more tensors than a frame holds."""

import numpy as np

from tests.generated.building import I64, Build, F, Tensor
from tests.generated.single_nodes import UnfitError
from tests.generated.weights import exactly, numbers


def sequence(build: Build) -> Tensor:
    """Put tensors into a sequence, and mostly take one out again."""
    tensor = build.pick((F, I64), (1, 2, 3))
    same = [t for t in build.visible() if t.dtype == tensor.dtype and t.shape == tensor.shape]
    (made,) = build.op("SequenceConstruct", [tensor, build.choose(same)])
    return made if build.chance(4) else taken(build, made)


def pieces(build: Build) -> Tensor:
    """Split a tensor into a sequence of its rows."""
    tensor = build.pick((F,), (2, 3), fits=lambda t: isinstance(t.shape[-1], int))
    (made,) = build.op("SplitToSequence", [tensor], axis=tensor.rank - 1, keepdims=1)
    return made if build.chance(4) else taken(build, made)


def taken(build: Build, sequence: Tensor | None = None) -> Tensor:
    """Take a tensor out of a sequence, or join all."""
    found = [t for t in build.visible() if t.type.HasField("sequence_type")]
    sequence = sequence or (build.choose(found) if found else None)
    if sequence is None:
        raise UnfitError
    if build.chance(3):
        return build.op("SequenceLength", [sequence])[0]
    if build.chance(2):
        return build.op("ConcatFromSequence", [sequence], axis=0)[0]
    return build.op("SequenceAt", [sequence, exactly(build, np.array(0, np.int64))])[0]


def optional(build: Build) -> Tensor:
    """Wrap a tensor that may be missing, and mostly unwrap it."""
    (made,) = build.op("Optional", [build.pick((F, I64), fits=lambda t: t.known)])
    return made if build.chance(4) else build.op("OptionalGetElement", [made])[0]


def wide(build: Build) -> Tensor:
    """Split into more tensors than one frame holds, and join them."""
    tensor = build.pick((F,), (2,), fits=lambda t: t.shape[-1] == 4)
    count = build.choose((127, 129, 140))
    (many,) = build.op("Gather", [tensor, numbers(build, *([0, 1, 2, 3] * 40)[:count])], axis=1)
    inputs = [numbers(build, *[1] * count)] if build.opset >= 13 else []
    attributes = {} if inputs else {"split": [1] * count}
    parts = build.op("Split", [many, *inputs], count, axis=1, **attributes)
    build.tensors[-count:] = parts[:3]
    return build.op("Concat", parts, axis=1)[0]
