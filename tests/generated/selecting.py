"""Operators that reduce, select and look up; some give as many elements as the data says."""

import numpy as np

from tests.generated.building import ANY, BOOL, F64, I32, I64, Build, F, Tensor
from tests.generated.shaping import as_input
from tests.generated.weights import exactly, numbers, weight

_KINDS = {F: np.float32, I64: np.int64}


def reduced(build: Build) -> Tensor:
    """Reduce an axis."""
    tensor = build.pick((F, F, F64, I32, I64), (2, 3, 4))
    which = build.choose(("ReduceSum", "ReduceMean", "ReduceMax", "ReduceL2", "ReduceSumSquare"))
    inputs, attributes = as_input(build, 13 if which == "ReduceSum" else 18, "axes", -1)
    if build.opset < 11:
        attributes = {"axes": [tensor.rank - 1]}
    return build.op(which, [tensor, *inputs], keepdims=build.size(0, 1), **attributes)[0]


def whole(build: Build) -> Tensor:
    """Reduce everything to a scalar."""
    return build.op("ReduceMax", [build.pick((F, I32, I64), (1, 2, 3))], keepdims=0)[0]


def largest(build: Build) -> Tensor:
    """Where the largest element is."""
    tensor = build.pick((F, F64, I32), (2, 3), exact=True)
    axis = tensor.rank - 1
    size = tensor.shape[axis]
    which = build.choose(("ArgMax", "ArgMin"))
    below = size if isinstance(size, int) else 0
    return build.op(which, [tensor], axis=axis, keepdims=build.size(0, 1), below=below)[0]


def top(build: Build) -> Tensor:
    """The largest elements and their places; either may go unread."""
    tensor = build.pick((F, F64, I64), (2, 3), exact=True, fits=lambda t: t.size(-1) >= 2)
    inputs, attributes = as_input(build, 10, "k", 2)
    attributes = {"k": 2} if attributes else {}
    values, places = build.op("TopK", [tensor, *inputs], 2, axis=tensor.rank - 1, **attributes)
    if build.opset < 11 or build.chance(2):
        return build.choose((values, places))
    return build.op("GatherElements", [tensor, places], axis=tensor.rank - 1)[0]


def gathered(build: Build) -> Tensor:
    """Look up rows."""
    tensor = build.pick(ANY, (1, 2, 3), fits=lambda t: t.size(-1) >= 2)
    places = _indices(build, tensor.shape[-1])
    return build.op("Gather", [tensor, places], axis=tensor.rank - 1)[0]


def embedded(build: Build) -> Tensor:
    """Look up weights by an index that is computed."""
    places = build.pick((I64, I32), None, lambda t: 0 < t.below <= 4)
    return build.op("Gather", [weight(build, F, (4, 4)), places])[0]


def scattered(build: Build) -> Tensor:
    """Write numbers over one row."""
    tensor = build.pick((F, I64), (2,), fits=lambda t: t.shape[0] == 2 and t.size(1) >= 1)
    row = exactly(build, np.full((1, tensor.shape[1]), 7, _KINDS[tensor.dtype]))
    return build.op("ScatterND", [tensor, exactly(build, np.array([[1]], np.int64)), row])[0]


def nonzero(build: Build) -> Tensor:
    """As many results as the data has it."""
    tensor = build.pick((F, BOOL, I64), exact=True, fits=lambda t: t.rank > 0)
    return build.op("NonZero", [tensor])[0]


def compressed(build: Build) -> Tensor:
    """Keep the elements that a tensor chooses."""
    tensor = build.pick((F, I64), (1, 2, 3), exact=True)
    zero = exactly(build, np.array(0, _KINDS[tensor.dtype]))
    (flags,) = build.op("Greater", [tensor, zero])
    (flat,) = build.op("Reshape", [flags, numbers(build, -1)])
    return build.op("Compress", [tensor, flat])[0]


def unique(build: Build) -> Tensor:
    """Each value once; four outputs, of which some are left out."""
    tensor = build.pick((F, I64), (1, 2), exact=True)
    wanted = build.choose(([True], [True, False, True], [True, True, True, True]))
    return build.choose(build.op("Unique", [tensor], wanted))


def one_hot(build: Build) -> Tensor:
    """A vector for each index."""
    places = build.pick((I64,), (1, 2), fits=lambda t: 0 < t.below <= 4)
    depth = exactly(build, np.array(4, np.int64))
    return build.op("OneHot", [places, depth, exactly(build, np.array([0, 1], np.float32))])[0]


def triangle(build: Build) -> Tensor:
    """The upper triangle of matrices."""
    return build.op("Trilu", [build.pick((F, F64, I64), (2, 3))], upper=build.size(0, 1))[0]


def summed(build: Build) -> Tensor:
    """Einstein's sum."""
    tensor = build.pick((F,), (2,))
    return build.op("Einsum", [tensor, tensor], equation="ij,ij->i")[0]


def accumulated(build: Build) -> Tensor:
    """Add up along an axis, which is an input."""
    tensor = build.pick((F, F64, I64, I32), (1, 2, 3), exact=True)
    axis = exactly(build, np.array(0, np.int64))
    return build.op("CumSum", [tensor, axis], exclusive=build.size(0, 1))[0]


def _indices(build: Build, below: int) -> Tensor:
    """Return indices below ``below``: some that are computed, or a weight."""
    found = [t for t in build.visible() if t.dtype == I64 and 0 < t.below <= below and t.rank == 1]
    if found and build.chance(2):
        return build.choose(found)
    return numbers(build, *(build.size(0, below - 1) for _ in range(build.size(1, 3))))
