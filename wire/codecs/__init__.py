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
    decode = _received(frame.meta.get(KEY, DEFAULT)).decode
    found = {}
    for tensor in frame.tensors:  # a comprehension is one function more, in Python 3.11
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
    encode = _loaded(codec).encode
    made = []
    for name, array in arrays.items():
        made.append(encode(name, array))
    return tuple(made)


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
