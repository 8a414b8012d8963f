"""Tensor codecs: how an array's elements are written into a frame; one file each.

To add one: write ``wire/codecs/<name>.py`` with a class that fits ``Codec`` and ``PLUGIN =
ThatClass``; what several share is in files that begin with ``_``. A frame names its codec in
``meta["codec"]``; without one it is ``raw``. Any name may be followed by ``+zstd``: what that codec
wrote, compressed.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from wire import codec_names, compression, plugins
from wire.codec_names import DEFAULT as DEFAULT
from wire.errors import FrameError, TensorSpecError, UnknownPluginError
from wire.frame import MAX_FRAME_BYTES, Frame, Tensor
from wire.table import Received, Table, Tensors, entry, read
from wire.tensors import ELEMENT_TYPES, size_bytes

Arrays = Mapping[str, NDArray[Any]]
"""Arrays by tensor name."""

KEY: Final = "codec"
"""In a frame's meta."""

DTYPES: Final[Mapping[int, np.dtype[Any]]] = MappingProxyType(
    {number: np.dtype(element.name).newbyteorder("<") for number, element in ELEMENT_TYPES.items()}
)
"""ONNX's number to the numpy dtype as it travels: little-endian."""

_NUMBERS: Final[Mapping[np.dtype[Any], int]] = MappingProxyType(
    {dtype: number for number, dtype in DTYPES.items()}
)


class Codec(Protocol):
    """Writes an array's elements into a frame's tensor and back."""

    def encode(self, name: str, array: NDArray[Any]) -> Tensor:
        """Return the tensor; its data may be a view of ``array``, which must outlive it.

        Raises:
            TensorSpecError: The array's dtype may not travel.
        """
        ...

    def decode(self, tensor: Tensor) -> NDArray[Any]:
        """Return a read-only array; it may be a view into the frame's memory.

        Raises:
            FrameError: The bytes are not what the table says.
        """
        ...


def dtype_number(dtype: np.dtype[Any], name: str = "array") -> int:
    """Return ONNX's number for ``dtype``, in any byte order.

    Raises:
        TensorSpecError: Arrays of that dtype do not travel.
    """
    number = _NUMBERS.get(dtype) or _NUMBERS.get(dtype.newbyteorder("<"))
    if number is None:
        known = ", ".join(str(dtype) for dtype in DTYPES.values())
        raise TensorSpecError(
            f"tensor {name!r:.80}", f"dtype {dtype} may not travel (expected {known})"
        )
    return number


def arrays(frame: Frame) -> dict[str, NDArray[Any]]:
    """Return the frame's tensors as read-only arrays, by name; they live as long as the frame.

    Raises:
        FrameError: The codec is unknown here, or the bytes are not what the table says.
    """
    codec, tensors = frame.meta.get(KEY, DEFAULT), frame.tensors
    found: dict[str, NDArray[Any]] = {}
    if codec == DEFAULT and isinstance(tensors, Received) and tensors.table.raw:
        payloads = tensors.payloads.toreadonly()
        try:
            for name, dtype, shape, place in tensors.table.rows:
                found[name] = np.ndarray(shape, DTYPES[dtype], payloads, place.start)
        except (ValueError, TypeError, OverflowError):
            pass  # no array has such a shape: told below
        else:
            return found
    decode = _received(codec).decode
    for tensor in tensors:  # a comprehension is one function more, in Python 3.11
        found[tensor.name] = decode(tensor)
    return found


def passed_on(frame: Frame, names: Iterable[str], codec: str) -> dict[str, Tensor]:
    """Return the frame's tensors ``names`` as ``codec`` writes them; as they came where it did.

    Names that the frame does not have are left out.

    Raises:
        FrameError: The frame's codec is unknown here, or the bytes are not what the table says.
        UnknownPluginError: No codec of that name.
    """
    wanted = frozenset(names)
    found = {tensor.name: tensor for tensor in frame.tensors if tensor.name in wanted}
    came = frame.meta.get(KEY, DEFAULT)
    if came == codec or not found:
        return found
    decode, encode = _received(came).decode, _loaded(codec).encode
    return {name: encode(name, decode(tensor)) for name, tensor in found.items()}


def meta(meta: Mapping[str, Any], codec: str) -> dict[str, Any]:
    """Return a copy of a frame's meta that names ``codec``: without a name where it is ``raw``."""
    made = dict(meta)
    if codec != DEFAULT:
        made[KEY] = codec
    else:
        made.pop(KEY, None)
    return made


def tensors(arrays: Arrays, codec: str = DEFAULT) -> tuple[Tensor, ...]:
    """Return the arrays as tensors of a frame; contiguous arrays are not copied by ``raw``.

    The caller names ``codec`` in the frame's ``meta``.

    Raises:
        TensorSpecError: An array's dtype may not travel.
        UnknownPluginError: No codec of that name.
    """
    made: list[Tensor] = []
    if codec == DEFAULT:
        told: list[Any] = []
        try:
            for name, array in arrays.items():
                number, shape = _NUMBERS[array.dtype], array.shape
                view = memoryview(array)  # type: ignore[arg-type]  # see wire/codecs/raw.py
                made.append(Tensor(name, number, shape, view.cast("B")))
                told += name, number, shape
            known = Tensors(made)
            known.table = _table(tuple(told))
        except (KeyError, TypeError, ValueError, FrameError):
            made = []  # one must be copied, or is refused: array by array
        else:
            return known
    encode = _loaded(codec).encode
    for name, array in arrays.items():
        made.append(encode(name, array))
    return tuple(made)


@lru_cache(maxsize=64)
def _table(told: tuple[Any, ...]) -> Table:
    """Return the table of raw tensors, told by name, element type, shape, name, ...

    Raises:
        FrameError: No frame has such a table.
    """
    names, numbers, shapes = told[::3], told[1::3], told[2::3]
    sizes = map(size_bytes, numbers, shapes)
    return read(b"".join(map(entry, names, numbers, shapes, sizes)), len(names))


def describe(arrays: Arrays) -> dict[str, tuple[int, tuple[int, ...]]]:
    """Return element type and shape by name, as ``wire.tensors.check`` takes them.

    Raises:
        TensorSpecError: An array's dtype may not travel.
    """
    return dict(_described(arrays))


def _described(arrays: Arrays) -> Iterator[tuple[str, tuple[int, tuple[int, ...]]]]:
    for name, array in arrays.items():
        yield name, (dtype_number(array.dtype, name), array.shape)


class _Compressed:
    """What another codec wrote, compressed by zstd."""

    def __init__(self, inner: Codec) -> None:
        self._inner = inner

    def encode(self, name: str, array: NDArray[Any]) -> Tensor:
        tensor = self._inner.encode(name, array)
        return msgspec.structs.replace(tensor, data=memoryview(compression.compressed(tensor.data)))

    def decode(self, tensor: Tensor) -> NDArray[Any]:
        # no codec writes more than the raw tensor, and none is larger than a frame may be
        raw = size_bytes(tensor.dtype, tensor.shape) if tensor.dtype in DTYPES else 0
        data = memoryview(compression.decompressed(tensor.data, min(raw, MAX_FRAME_BYTES)))
        return self._inner.decode(msgspec.structs.replace(tensor, data=data))


@lru_cache(maxsize=64)
def _loaded(name: str) -> Codec:
    plain = codec_names.plain(name)
    codec: Codec = plugins.load(__name__, plain)()
    return codec if plain == name else _Compressed(codec)


def _received(name: object) -> Codec:
    if not isinstance(name, str):
        raise FrameError(f"codec {name!r:.40} is no name")
    try:
        return _loaded(name)
    except UnknownPluginError as error:
        raise FrameError(f"codec {name!r:.40} is unknown (known: {error.known})") from error
    except ImportError as error:
        raise FrameError(f"codec {name!r:.40} cannot be used here ({error})") from error
