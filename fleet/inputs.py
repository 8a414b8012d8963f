"""Samples of a model's inputs: examples from the user, or made from a seed.

Dynamic dimensions get a size from the example, from the user's ``--dim``, or a guess: batch 1,
224 for the sides of pictures, 3 channels, 16 for anything else.
"""

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fleet.cuts.graph import MAX_BYTES
from fleet.errors import BadExampleError, BadRequestError, InputTooLargeError
from fleet.formats import CutRequest
from wire import codecs
from wire.errors import TensorSpecError
from wire.tensors import TensorSpec, check
from wire.tensors import size_bytes as tensor_bytes

_PICTURE_SIDE: Final = 224
_CHANNELS: Final = 3
_OTHER: Final = 16
_UNREADABLE: Final = (
    OSError, EOFError, ValueError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What numpy and zipfile raise for files that are damaged, encrypted, or of some other kind."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Inputs for one run, and how their sizes came about."""

    arrays: Mapping[str, NDArray[Any]]
    named: Mapping[str, int]
    """Sizes of the dimensions that have names."""
    guessed: Mapping[str, int] = field(default_factory=dict)
    """Sizes that nobody gave, by dimension name or ``input[axis]``."""
    made_up: bool = False
    """Whether the values are ours: a model may need others to run at all."""

    @property
    def sizes(self) -> dict[str, tuple[int, ...]]:
        """Each input's shape."""
        return {name: array.shape for name, array in self.arrays.items()}


def requested(specs: Sequence[TensorSpec], request: CutRequest) -> Sample:
    """Return the sample that ``request`` asks for.

    Raises:
        BadExampleError: The example is not what the model takes.
        BadRequestError: A size is given for what is no dynamic dimension, or twice.
    """
    if request.example is None:
        return made(specs, request.dims, request.seed)
    if request.dims:
        raise BadRequestError("--dim", "sizes come from the example that --input names")
    return example(specs, request.example)


def made(specs: Sequence[TensorSpec], dims: Mapping[str, int], seed: int) -> Sample:
    """Return a sample made from ``seed``: the same for the same arguments, on any machine.

    ``dims`` gives sizes by a dimension's name, or by its place such as ``x[2]``.

    Raises:
        BadRequestError: ``dims`` names a dimension that no input has, or is no size.
        InputTooLargeError: An input would be larger than a frame may carry.
    """
    _check_dims(specs, dims)
    random = np.random.default_rng(seed)
    named = {name: dims[name] for name in _named(specs) if name in dims}
    guessed: dict[str, int] = {}
    arrays = {}
    for spec in specs:
        shape = []
        for axis, asked in enumerate(spec.shape):
            if isinstance(asked, int):
                size = asked
            elif f"{spec.name}[{axis}]" in dims:
                size = dims[f"{spec.name}[{axis}]"]
            elif asked in named:
                size = named[asked]
            else:
                size = guessed[asked or f"{spec.name}[{axis}]"] = _guess(spec.shape, axis)
            if isinstance(asked, str) and asked:
                named.setdefault(asked, size)
            shape.append(size)
        size_bytes = tensor_bytes(spec.dtype, shape)
        if size_bytes > MAX_BYTES:
            raise InputTooLargeError(spec.name, shape, size_bytes, MAX_BYTES)
        arrays[spec.name] = _filled(random, spec.dtype, tuple(shape))
    return Sample(arrays, named, guessed, made_up=True)


def example(specs: Sequence[TensorSpec], path: Path) -> Sample:
    """Return the sample in an ``.npz`` file.

    Raises:
        BadExampleError: Not such a file, or not the arrays that the model takes.
    """
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if not isinstance(loaded, np.lib.npyio.NpzFile):
                raise BadExampleError(str(path), "holds one array without a name")
            arrays = {name: loaded[name] for name in loaded.files}
    except _UNREADABLE as error:
        # numpy takes what it cannot read for a pickle, and advises to trust it
        why = "" if "pickle" in str(error) else f" ({error})"
        raise BadExampleError(str(path), f"is no .npz file of plain arrays{why}") from error
    strangers = [name for name, array in arrays.items() if not isinstance(array, np.ndarray)]
    if strangers:
        raise BadExampleError(str(path), f"holds {strangers}, which are no arrays")
    return given(specs, arrays, str(path))


def folder(path: Path) -> tuple[Path, ...]:
    """Return the ``.npz`` files in a folder, sorted by name.

    Raises:
        BadExampleError: It is no folder, or there are none in it.
    """
    try:
        found = tuple(sorted(file for file in path.iterdir() if file.suffix.lower() == ".npz"))
    except OSError as error:
        raise BadExampleError(str(path), f"is no folder of examples ({error.strerror})") from error
    if not found:
        raise BadExampleError(str(path), "holds no .npz file")
    return found


def drawn(
    arrays: Mapping[str, NDArray[Any]], shapes: Mapping[str, tuple[int, ...]], seed: int
) -> dict[str, NDArray[Any]]:
    """Return arrays of other shapes whose elements are drawn from ``arrays``.

    So they are values that the model takes, and no two samples of a batch are the same.
    """
    random = np.random.default_rng(seed)
    return {
        name: random.choice(array.reshape(-1), shapes[name])
        if array.size
        else np.zeros(shapes[name], array.dtype)
        for name, array in arrays.items()
    }


def given(specs: Sequence[TensorSpec], arrays: Mapping[str, NDArray[Any]], source: str) -> Sample:
    """Return ``arrays`` as a sample, checked to be what ``specs`` ask for.

    Raises:
        BadExampleError: One is missing, unknown, or of another type or shape.
    """
    unknown = sorted(set(arrays) - {spec.name for spec in specs})
    if unknown:
        names = [spec.name for spec in specs]
        raise BadExampleError(source, f"the model has no inputs {unknown} (it has {names})")
    try:
        check(source, specs, codecs.describe(arrays))
    except TensorSpecError as error:
        raise BadExampleError(source, error.problem) from error
    named = {
        asked: size
        for spec in specs
        for asked, size in zip(spec.shape, arrays[spec.name].shape, strict=True)
        if isinstance(asked, str) and asked
    }
    return Sample({spec.name: arrays[spec.name] for spec in specs}, named)


def _named(specs: Sequence[TensorSpec]) -> list[str]:
    return [size for spec in specs for size in spec.shape if isinstance(size, str) and size]


def _check_dims(specs: Sequence[TensorSpec], dims: Mapping[str, int]) -> None:
    places = [
        f"{spec.name}[{axis}]"
        for spec in specs
        for axis, size in enumerate(spec.shape)
        if isinstance(size, str)
    ]
    known = dict.fromkeys([*_named(specs), *places])
    for name, size in dims.items():
        if name not in known:
            names = ", ".join(known) or "none"
            raise BadRequestError(f"--dim {name}={size}", f"no such dynamic dimension ({names})")
        if size < 1:
            raise BadRequestError(f"--dim {name}={size}", "a dimension's size is at least 1")


def _guess(shape: tuple[int | str, ...], axis: int) -> int:
    if axis == 0:
        return 1
    if len(shape) != 4:
        return _OTHER
    channels = 3 if isinstance(shape[3], int) and shape[3] <= 4 else 1
    return _CHANNELS if axis == channels else _PICTURE_SIDE


def _filled(random: np.random.Generator, dtype: int, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return values that most operators take: floats in [0, 1), integers 0 and 1, any byte."""
    kind = codecs.DTYPES[dtype]
    if np.issubdtype(kind, np.floating):
        return np.asarray(random.random(shape)).astype(kind)
    if kind == np.uint8:
        return random.integers(0, 256, shape, np.uint8)
    return np.asarray(random.integers(0, 2, shape)).astype(kind)
