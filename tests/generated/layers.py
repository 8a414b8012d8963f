"""Layers of networks: products, convolutions, pooling, normalisation, recurrence, quantisation."""

import numpy as np

from tests.generated.building import F16, F64, I8, I32, I64, U8, Build, F, Tensor
from tests.generated.single_nodes import UnfitError
from tests.generated.weights import exactly, weight

LARGE_WIDTH = 1 << 16
"""Four such rows of weights are 1 MiB."""


def matmul(build: Build) -> Tensor:
    """Multiply with a weight, or with another tensor."""
    tensor = build.pick((F, F, F64, F16, I32, I64), (2, 3), fits=_wide)
    width = tensor.shape[-1]
    others = [t for t in build.visible() if t.dtype == tensor.dtype and t.shape == (width, width)]
    if others and build.chance(3):
        return build.op("MatMul", [tensor, build.choose(others)])[0]
    return build.op("MatMul", [tensor, weight(build, tensor.dtype, (width, _width(build)))])[0]


def gemm(build: Build) -> Tensor:
    """A dense layer, with a bias or without."""
    tensor = build.pick((F, F, F64, F16), (2,), fits=_wide)
    width, out = tensor.shape[-1], _width(build)
    transposed = build.size(0, 1)
    factors = [weight(build, tensor.dtype, (out, width) if transposed else (width, out))]
    if build.opset < 11 or build.chance(2):
        factors.append(weight(build, tensor.dtype, (out,)))
    return build.op("Gemm", [tensor, *factors], transB=transposed)[0]


def large(build: Build) -> Tensor:
    """Two products with large weights, of 1 MiB or of 8 KiB each."""
    width = build.choose((LARGE_WIDTH, 515))
    tensor = build.pick((F,), (2, 3), fits=lambda t: t.shape[-1] == 4)
    (wide,) = build.op("MatMul", [tensor, weight(build, F, (4, width))])
    return build.op("MatMul", [wide, weight(build, F, (width, 4))])[0]


def convolution(build: Build) -> Tensor:
    """A convolution of pictures, plain, in groups or transposed."""
    tensor = build.pick((F, F, F16), (4,), fits=lambda t: isinstance(t.shape[1], int))
    channels, out = tensor.shape[1], build.choose((4, 2))
    dtype = tensor.dtype
    if build.chance(4):
        return build.op("ConvTranspose", [tensor, weight(build, dtype, (channels, out, 2, 2))])[0]
    group = channels if build.chance(3) else 1
    filters = [weight(build, dtype, (channels if group > 1 else out, channels // group, 3, 3))]
    if build.chance(2):
        filters.append(weight(build, dtype, (channels if group > 1 else out,)))
    return build.op("Conv", [tensor, *filters], pads=[1] * 4, kernel_shape=[3, 3], group=group)[0]


def pooled(build: Build) -> Tensor:
    """Pool pictures; the places of the largest are asked for or not."""
    tensor = build.pick((F, F, F16), (4,))
    which = build.choose(("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"))
    if which.startswith("Global"):
        return build.op(which, [tensor])[0]
    outputs = [True]
    if which == "MaxPool" and build.opset >= 8 and tensor.exact:
        outputs = build.choose(([True], [True, True], [True, False]))
    return build.op(which, [tensor], outputs, kernel_shape=[2, 2], pads=[1, 1, 0, 0])[0]


def normalised(build: Build) -> Tensor:
    """Normalise by a batch's, an instance's or a layer's numbers."""
    which = build.choose(("BatchNormalization", "InstanceNormalization", "LayerNormalization"))
    if which == "LayerNormalization":
        tensor = build.pick((F, F64), (2, 3), exact=True, fits=_wide)
        factors = [weight(build, tensor.dtype, tensor.shape[-1:]) for _ in range(build.size(1, 2))]
        outputs = build.choose(([True], [True, True], [True, False, True]))
        return build.op(which, [tensor, *factors], outputs, axis=-1)[0]
    tensor = build.pick((F,), (3, 4), exact=True, fits=lambda t: isinstance(t.shape[1], int))
    shape = tensor.shape[1:2]
    factors = [weight(build, tensor.dtype, shape) for _ in range(2)]
    if which == "BatchNormalization":
        factors.append(weight(build, tensor.dtype, shape))
        factors.append(exactly(build, np.full(shape, 1.5, np.float32)))
    return build.op(which, [tensor, *factors])[0]


def recurrent(build: Build) -> Tensor:
    """A recurrent layer with inputs and outputs left out."""
    tensor = build.pick((F,), (3,), exact=True, fits=_wide)
    which, gates = build.choose((("LSTM", 4), ("GRU", 3), ("RNN", 1)))
    width, hidden = tensor.shape[-1], 3
    factors = [weight(build, F, (1, gates * hidden, n)) for n in (width, hidden)]
    if build.chance(2):
        factors.append(weight(build, F, (1, 2 * gates * hidden)))
    wanted = build.choose(([True], [False, True], [True, True]))
    made = build.op(which, [tensor, *factors], wanted, hidden_size=hidden)
    return made[0]


def quantised(build: Build) -> Tensor:
    """To bytes and mostly back, as quantised models do between all layers."""
    tensor = build.pick((F,), exact=True, fits=lambda t: t.known)
    scale = exactly(build, np.array(0.05, np.float32))
    zero = exactly(build, np.array(3, build.choose((np.uint8, np.int8))))
    (made,) = build.op("QuantizeLinear", [tensor, scale, zero])
    return made if build.chance(3) else build.op("DequantizeLinear", [made, scale, zero])[0]


def dequantised(build: Build) -> Tensor:
    """From bytes."""
    tensor = build.pick((U8, I8, I32), fits=lambda t: t.known)
    return build.op("DequantizeLinear", [tensor, exactly(build, np.array(0.05, np.float32))])[0]


def measured(build: Build) -> Tensor:
    """Quantise by the tensor's own range: three outputs, and a product of bytes."""
    tensor = build.pick((F,), (2, 3), exact=True, fits=_wide)
    made, scale, zero = build.op("DynamicQuantizeLinear", [tensor], 3)
    factor = weight(build, U8, (tensor.shape[-1], 4))
    (product,) = build.op("MatMulInteger", [made, factor, zero])
    (numbers,) = build.op("Cast", [product], to=F)
    return build.op("Mul", [numbers, scale])[0]


def fused(build: Build) -> Tensor:
    """An operator of the runtime's own domain."""
    tensor = build.pick((F,), exact=True, fits=lambda t: t.known)
    which = build.choose(("QuickGelu", "Gelu", "BiasGelu"))
    inputs = [tensor]
    if which == "BiasGelu":
        if not _wide(tensor):
            raise UnfitError
        inputs.append(weight(build, F, tensor.shape[-1:]))
    return build.op(which, inputs, domain="com.microsoft", like=tensor)[0]


def _wide(tensor: Tensor) -> bool:
    return tensor.rank > 0 and isinstance(tensor.shape[-1], int) and 0 < tensor.shape[-1] < 100


def _width(build: Build) -> int:
    return build.choose((4, 4, 6, 77))
