"""Weights in every form that a model file can hold them."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from tests.generated.building import BOOL, F16, F64, FLOATS, I64, Build, F, Tensor, tensor_type
from tests.generated.single_nodes import UnfitError

FEW = 64
"""Values of so many elements are remembered."""
LARGE = 1 << 18
"""Elements of a float32 weight of 1 MiB."""


def weight(build: Build, dtype: int, shape: Sequence[int]) -> Tensor:
    """Return a weight of that type: an old one, or one in some form, or one that is computed.

    Floats are in [-1, 1], integers 1 to 3.
    """
    same = [t for t in build.visible() if not t.moving and _is(t, dtype, shape)]
    if same and build.chance(3):
        return build.choose(same[:4])
    if not build.is_function and build.chance(4):
        made = _computed(build, dtype, tuple(shape))
        if made:
            return made
    return stored(build, _values(dtype, tuple(shape), build.root.count))


def numbers(build: Build, *values: int, dtype: int = I64) -> Tensor:
    """Return these integers, one axis: an old weight of the same values, or a new one."""
    return exactly(build, np.array(values, helper.tensor_dtype_to_np_dtype(dtype)))


def exactly(build: Build, values: np.ndarray) -> Tensor:
    """Return a weight of these values, an old one if there is."""
    for old in build.visible():
        if (
            old.value is not None
            and old.value.dtype == values.dtype
            and old.value.shape == values.shape
            and old.value.tobytes() == values.tobytes()
            and build.chance(2)
        ):
            return old
    return stored(build, values)


def stored(build: Build, values: np.ndarray) -> Tensor:
    """Add a weight of these values in some form."""
    forms = [form for form in _FORMS if _fits(form, build, values)]
    form = build.choose(forms)
    dtype = helper.np_dtype_to_tensor_dtype(values.dtype)
    remembered = values if values.size <= FEW else None
    if form.__name__ in ("_raw", "_typed", "_sparse"):
        tensor = Tensor(
            build.name(), tensor_type(dtype, values.shape), False, dtype != F16, value=remembered
        )
        form(build, tensor.name, values)
        build.tensors.append(tensor)
        return tensor
    (tensor,) = build.op("Constant", [], **form(build, "", values))
    build.tensors[-1] = tensor = replace(tensor, value=remembered)
    return tensor


def _is(tensor: Tensor, dtype: int, shape: Sequence[int]) -> bool:
    return tensor.dtype == dtype and tensor.shape == tuple(shape) and tensor.below == 0


def _values(dtype: int, shape: tuple[int, ...], seed: int) -> np.ndarray:
    random = np.random.default_rng(zlib.crc32(f"{seed} {dtype} {shape}".encode()))
    kind = helper.tensor_dtype_to_np_dtype(dtype)
    if dtype in FLOATS:
        return np.asarray(
            random.uniform(-1, 1, shape) / np.sqrt(max(1, shape[0] if shape else 1))
        ).astype(kind)
    if dtype == BOOL:
        return np.asarray(random.integers(0, 2, shape)).astype(kind)
    return np.asarray(random.integers(1, 4, shape)).astype(kind)


def _raw(build: Build, name: str, values: np.ndarray) -> None:
    build.weights.append(numpy_helper.from_array(values, name))


def _typed(build: Build, name: str, values: np.ndarray) -> None:
    """In the field of its type: float_data, int32_data and so on."""
    build.weights.append(_typed_tensor(name, values))


def _typed_tensor(name: str, values: np.ndarray) -> TensorProto:
    dtype = helper.np_dtype_to_tensor_dtype(values.dtype)
    if dtype == F16:
        tensor = TensorProto(name=name, data_type=dtype, dims=values.shape)
        tensor.int32_data.extend(values.reshape(-1).view(np.uint16).tolist())
        return tensor
    return helper.make_tensor(name, dtype, values.shape, values.reshape(-1).tolist())


def _sparse(build: Build, name: str, values: np.ndarray) -> None:
    build.sparse.append(_sparse_tensor(name, values))


def _sparse_tensor(name: str, values: np.ndarray) -> Any:
    flat = values.reshape(-1)
    places = np.flatnonzero(flat)
    return helper.make_sparse_tensor(
        numpy_helper.from_array(flat[places], name),
        numpy_helper.from_array(places.astype(np.int64), f"{name}_places"),
        values.shape,
    )


def _constant(build: Build, name: str, values: np.ndarray) -> dict[str, Any]:
    return {"value": numpy_helper.from_array(values)}


def _typed_constant(build: Build, name: str, values: np.ndarray) -> dict[str, Any]:
    return {"value": _typed_tensor("of a constant", values)}


def _listed(build: Build, name: str, values: np.ndarray) -> dict[str, Any]:
    """As value_float, value_floats, value_int, value_ints."""
    word = "value_int" if values.dtype == np.int64 else "value_float"
    return {word if values.ndim == 0 else f"{word}s": values.tolist()}


def _sparse_constant(build: Build, name: str, values: np.ndarray) -> dict[str, Any]:
    return {"sparse_value": _sparse_tensor("", values)}


_FORMS: tuple[Callable[..., Any], ...] = (
    _raw, _typed, _constant, _typed_constant, _listed, _sparse, _sparse_constant,
)  # fmt: skip


def _fits(form: Callable[..., Any], build: Build, values: np.ndarray) -> bool:
    if build.is_function and form in (_raw, _typed, _sparse):
        return False
    if form in (_listed, _sparse_constant) and build.opset < (12 if form is _listed else 11):
        return False
    if form in (_constant, _typed_constant) and build.opset < 9 and values.dtype.kind != "f":
        return build.is_function  # where there is no other form
    if form is _listed:
        return values.ndim < 2 and values.dtype in (np.int64, np.float32) and values.size > 0
    if form in (_sparse, _sparse_constant):
        is_inside = form is _sparse and build.outer is not None
        return values.ndim == 2 and values.dtype == np.float32 and not is_inside
    return values.size < LARGE or form in (_raw, _constant)


def _computed(build: Build, dtype: int, shape: tuple[int, ...]) -> Tensor | None:
    """Return a weight that operators compute from others; None where these cannot."""
    way = build.choose((_transposed, _reshaped, _filled, _scaled, _cast, _shape_of))
    try:
        return way(build, dtype, shape)
    except UnfitError:
        return None


def _transposed(build: Build, dtype: int, shape: tuple[int, ...]) -> Tensor:
    return build.op("Transpose", [weight(build, dtype, shape[::-1])])[0]


def _reshaped(build: Build, dtype: int, shape: tuple[int, ...]) -> Tensor:
    flat = weight(build, dtype, (int(np.prod(shape, dtype=int)),))
    return build.op("Reshape", [flat, numbers(build, *shape)])[0]


def _filled(build: Build, dtype: int, shape: tuple[int, ...]) -> Tensor:
    value = numpy_helper.from_array(_values(dtype, (1,), build.root.count))
    return build.op("ConstantOfShape", [numbers(build, *shape)], value=value)[0]


def _scaled(build: Build, dtype: int, shape: tuple[int, ...]) -> Tensor:
    return build.op("Mul", [weight(build, dtype, shape), weight(build, dtype, shape)])[0]


def _cast(build: Build, dtype: int, shape: tuple[int, ...]) -> Tensor:
    return build.op("Cast", [weight(build, F64 if dtype == F else F, shape)], to=dtype)[0]


def _shape_of(build: Build, dtype: int, shape: tuple[int, ...]) -> Tensor:
    if dtype != I64 or len(shape) != 1:
        raise UnfitError
    return build.op("Shape", [weight(build, F, [2] * shape[0])])[0]
