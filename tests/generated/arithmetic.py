"""Operators that work element by element, and those that choose, compare, cast and toss dice."""

import numpy as np
from onnx import TensorProto, helper

from tests.generated.building import (
    ANY,
    BOOL,
    F16,
    F64,
    FLOATS,
    I8,
    I32,
    I64,
    INTS,
    NUMBERS,
    U8,
    Build,
    F,
    Tensor,
)  # fmt: skip
from tests.generated.single_nodes import UnfitError
from tests.generated.weights import exactly, weight

SMOOTH = (
    "Relu", "Sigmoid", "Tanh", "Neg", "Abs", "Sin", "Cos", "Softplus", "Softsign", "LeakyRelu",
    "HardSigmoid", "Erf", "Elu", "Selu", "Celu", "Gelu", "Mish", "Swish", "Atan", "Identity",
)  # fmt: skip
"""What is a little off remains a little off."""
ROUGH = (
    "Exp", "Floor", "Ceil", "Round", "Sign", "ThresholdedRelu", "Shrink", "Reciprocal", "Hardmax",
    "Softmax", "LogSoftmax", "LpNormalization", "Sqrt", "Log",
)  # fmt: skip
EXOTIC = (TensorProto.BFLOAT16, TensorProto.FLOAT8E4M3FN, TensorProto.INT4, TensorProto.STRING)
"""Of tensors that may not travel."""


def smooth(build: Build, tensor: Tensor | None = None) -> Tensor:
    """Add an operator that keeps a tensor's shape and type."""
    tensor = tensor or build.pick()
    if build.chance(3):
        return binary(build, tensor)
    for _ in range(3):
        try:
            return build.op(build.choose(SMOOTH), [tensor])[0]
        except UnfitError:
            continue
    return build.op("Neg", [tensor])[0]


def rough(build: Build) -> Tensor:
    """Add one after which what is a little off may be far off."""
    return build.op(build.choose(ROUGH), [build.pick(exact=True, fits=lambda t: t.rank > 0)])[0]


def binary(build: Build, tensor: Tensor | None = None) -> Tensor:
    """Combine a tensor with another of its shape, with a weight, or with itself."""
    tensor = tensor or build.pick(NUMBERS)
    some = ("Max", "Min", "Sum", "Mean") if build.opset >= 8 else ()  # which did not broadcast
    op_type = build.choose(("Add", "Sub", "Mul", *some))
    if not tensor.exact and op_type == "Sub":
        op_type = "Add"  # a difference of two halves has few bits left
    return build.op(op_type, [tensor, partner(build, tensor)])[0]


def partner(build: Build, tensor: Tensor) -> Tensor:
    """Return what may stand beside ``tensor``, without making it larger."""
    same = [
        other
        for other in build.visible()
        if other.dtype == tensor.dtype and other.shape == tensor.shape and other.known
    ]
    if same and build.chance(2):
        return build.choose(same)
    shape = tensor.shape or ()
    width = shape[-1:] if shape and isinstance(shape[-1], int) else ()
    return weight(build, tensor.dtype, build.choose(((), width)))


def variadic(build: Build) -> Tensor:
    """Add an operator of many inputs, the same tensor more than once."""
    if build.opset < 8:
        raise UnfitError  # these did not broadcast
    tensor = build.pick(fits=lambda t: t.known)
    others = [partner(build, tensor) for _ in range(build.size(1, 3))]
    return build.op(build.choose(("Sum", "Max", "Mean", "Min")), [tensor, *others, tensor])[0]


def divided(build: Build) -> Tensor:
    """Divide by a number that is never zero, or take a power."""
    if build.chance(3):
        tensor = build.pick(exact=True)
        return build.op("Pow", [tensor, exactly(build, _scalar(tensor.dtype, 2))])[0]
    tensor = build.pick(NUMBERS)
    divisor = exactly(build, _scalar(tensor.dtype, 2))
    if tensor.dtype in INTS and build.chance(2):
        return build.op("Mod", [tensor, divisor])[0]
    return build.op("Div", [tensor, divisor])[0]


def compared(build: Build) -> Tensor:
    """Compare; the result is boolean."""
    tensor = build.pick(NUMBERS, exact=True)
    op_type = build.choose(("Greater", "Less", "Equal", "GreaterOrEqual", "LessOrEqual"))
    return build.op(op_type, [tensor, partner(build, tensor)])[0]


def asked(build: Build) -> Tensor:
    """Ask each element."""
    return build.op(build.choose(("IsNaN", "IsInf")), [build.pick(exact=True)])[0]


def logical(build: Build) -> Tensor:
    """Combine booleans or bits."""
    if build.chance(3):
        bits = build.pick(INTS)
        op_type = build.choose(("BitwiseAnd", "BitwiseOr", "BitwiseXor"))
        return build.op(op_type, [bits, partner(build, bits)])[0]
    tensor = build.pick((BOOL,))
    op_type = build.choose(("Not", "And", "Or", "Xor"))
    return build.op(op_type, [tensor] if op_type == "Not" else [tensor, partner(build, tensor)])[0]


def cast(build: Build) -> Tensor:
    """Cast, directly or like another tensor."""
    tensor = build.pick(ANY)
    to = build.choose(FLOATS if not tensor.exact else (F, F64, I64, BOOL, F16, U8, I32, I8, *INTS))
    if build.opset >= 15 and build.chance(4):
        other = [t for t in build.visible() if t.dtype in FLOATS]
        if other:
            return build.op("CastLike", [tensor, build.choose(other)])[0]
    below = 2 if tensor.dtype == BOOL else tensor.below if to in INTS else 0
    return build.op("Cast", [tensor], to=to, below=below)[0]


def exotic(build: Build) -> Tensor:
    """Cast to a type that may not travel, and mostly back again."""
    tensor = build.pick((F, F64, I64, I32), exact=True, fits=lambda t: t.known)
    to = build.choose(EXOTIC)
    (made,) = build.op("Cast", [tensor], to=to)
    if build.chance(3):
        (made,) = build.op(build.choose(("Identity", "Flatten")), [made])
    return made if build.chance(6) else build.op("Cast", [made], to=tensor.dtype)[0]


def back(build: Build) -> Tensor:
    """Cast back what may not travel."""
    return build.op("Cast", [build.pick(EXOTIC)], to=F)[0]


def where(build: Build) -> Tensor:
    """Choose between two tensors by a third."""
    condition = build.pick((BOOL,), fits=lambda t: t.known)
    shape = condition.shape
    first = build.pick(NUMBERS, fits=lambda t: t.shape in (shape, ()))
    return build.op("Where", [condition, first, partner(build, first)])[0]


def clip(build: Build) -> Tensor:
    """Clip, with both bounds or one."""
    if build.opset < 11:
        bounds = {"min": -0.5, "max": 2.0} if build.chance(2) else {"min": -0.5}
        return build.op("Clip", [build.pick()], **bounds)[0]
    tensor = build.pick(NUMBERS)
    low, high = (exactly(build, _scalar(tensor.dtype, bound)) for bound in (0, 1))
    bounds = build.choose(([low, high], [None, high], [low], [low, None], []))
    return build.op("Clip", [tensor, *bounds])[0]


def dropout(build: Build) -> Tensor:
    """Drop nothing out, or by chance with a seed; the mask is asked for or not."""
    tensor = build.pick((F, F64), moving=True)
    outputs = build.choose(([True], [True, True], [True, False]))
    if build.opset < 12:
        return build.op("Dropout", [tensor], outputs, ratio=0.25)[0]
    ratio = exactly(build, np.array(0.25, np.float32))
    forms = [[tensor], [tensor, ratio], [tensor, None, exactly(build, np.array(True))]]
    form = build.choose(forms if build.chance(3) else forms[:2])
    return build.op("Dropout", form, outputs, seed=7)[0]


def random(build: Build) -> Tensor:
    """Toss dice, with a seed: the first run of a session gives what that of another gives."""
    if build.chance(4):
        return _unseeded(build)
    which = build.choose(("RandomUniformLike", "RandomNormal", "Bernoulli", "RandomUniform"))
    if which in ("RandomNormal", "RandomUniform"):
        return build.op(which, [], shape=[1, 4], dtype=F, seed=3.0, moving=True)[0]
    if which == "Bernoulli":
        tensor = build.op("Sigmoid", [build.pick((F,), exact=True, fits=lambda t: t.known)])[0]
        return build.op(which, [tensor], seed=5.0, moving=True)[0]
    tensor = build.pick((F, F64), fits=lambda t: t.known)
    return build.op(which, [tensor], dtype=F, seed=4.0, moving=True)[0]


def _unseeded(build: Build) -> Tensor:
    """Toss dice without a seed, and take the result from itself: zero, if they fall once."""
    (tossed,) = build.op("RandomNormal", [], shape=[1, 4], dtype=F, moving=True)
    (negative,) = build.op("Neg", [tossed])
    (zero,) = build.op("Add", [tossed, negative])
    build.tensors[-3:] = [zero]  # nobody else reads what is never twice the same
    return zero


def _scalar(dtype: int, value: int) -> np.ndarray:
    return np.array(value, helper.tensor_dtype_to_np_dtype(dtype))
