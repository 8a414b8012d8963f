"""The inputs of one frame as the pipeline takes them: arrays by name, of the right type and shape.

An array must have the tensor's element type, in any byte order and layout: nothing is rounded
behind anybody's back. Plain Python numbers have none, so lists of them get the tensor's, where
they fit: fractions only into floats, whole numbers only in range.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from wire import codecs, tensors
from wire.errors import TensorSpecError
from wire.messages import Route
from wire.tensors import TensorSpec

Arrays = Mapping[str, NDArray[Any]]


_FITS: Final = {"f": "fiu", "i": "iu", "u": "iu", "b": "b"}
"""Kinds of Python numbers that go into an element type of a kind."""


class Inputs:
    """Checks the inputs of one stream; most frames are like the one before."""

    def __init__(self) -> None:
        self._route: Route | None = None
        self._fit: list[tuple[str, np.dtype[Any], tuple[int, ...]]] = []
        """What that route takes, as it was given last."""

    def arrays(self, route: Route, given: Any) -> dict[str, NDArray[Any]]:
        """Return what ``route`` asks for, see `arrays`.

        Raises:
            TensorSpecError: It is not what is asked for.
        """
        if route is self._route and type(given) is dict:
            found = {}
            for name, dtype, shape in self._fit:
                array = given.get(name)
                if type(array) is not np.ndarray or array.dtype != dtype or array.shape != shape:
                    break
                found[name] = array
            else:
                return found
        found = arrays(f"pipeline {route.pipeline}", route.receives, given)
        self._route = route
        self._fit = [(name, array.dtype, array.shape) for name, array in found.items()]
        return found


def arrays(where: str, specs: Sequence[TensorSpec], given: Any) -> dict[str, NDArray[Any]]:
    """Return what ``specs`` asks for of what was ``given``; an array that fits is not copied.

    Raises:
        TensorSpecError: It is not what is asked for; ``where`` names who asks.
    """
    if not isinstance(given, Mapping):
        problem = f"the inputs are of type {type(given).__name__} (expected {_example(specs)})"
        raise TensorSpecError(where, problem)
    for spec in specs:
        if spec.name not in given:
            names = ", ".join(sorted(repr(name) for name in given)) or "nothing"
            raise TensorSpecError(
                where, f"tensor {spec.name!r} is missing (got {names}; expected {_example(specs)})"
            )
    found = {spec.name: _array(where, spec, given[spec.name]) for spec in specs}
    tensors.check(where, specs, codecs.describe(found))
    return found


def _array(where: str, spec: TensorSpec, value: Any) -> NDArray[Any]:
    if type(value) is np.ndarray:
        array = value
    elif np.ma.is_masked(value):
        raise _wrong(where, spec, "has masked elements", "fill them first, .filled(...)")
    else:
        try:
            array = np.asarray(value)
        except Exception as error:  # a foreign array may raise anything
            raise _wrong(where, spec, f"is no array ({error})", "give a numpy array") from error
    wanted = codecs.DTYPES.get(spec.dtype, np.dtype(object))
    if isinstance(value, list | tuple | int | float) and not isinstance(value, np.generic):
        array = _of_numbers(where, spec, array, wanted)
    if array.dtype.newbyteorder("<") != wanted:
        advice = f"convert it, such as with .astype({wanted.name!r})"
        raise _wrong(where, spec, f"has elements of type {array.dtype}", advice)
    return array


def _of_numbers(
    where: str, spec: TensorSpec, array: NDArray[Any], wanted: np.dtype[Any]
) -> NDArray[Any]:
    """Return plain Python numbers as an array of the tensor's element type, where they fit."""
    if array.size and array.dtype.kind not in _FITS.get(wanted.kind, ""):
        return array  # the element type is told to be wrong
    try:
        with np.errstate(over="raise"):
            made = array.astype(wanted)
    except FloatingPointError as error:
        raise _wrong(where, spec, "has numbers that are too large", "scale them") from error
    if wanted.kind in "iu" and array.dtype.kind in "iu" and not np.array_equal(made, array):
        raise _wrong(where, spec, "has numbers out of range", "scale them")
    return made


def _wrong(where: str, spec: TensorSpec, problem: str, advice: str) -> TensorSpecError:
    expected = tensors.describe(spec.dtype, spec.shape)
    return TensorSpecError(where, f"tensor {spec.name!r} {problem} (expected {expected}); {advice}")


def _example(specs: Sequence[TensorSpec]) -> str:
    wanted = ", ".join(f"{s.name!r}: {tensors.describe(s.dtype, s.shape)}" for s in specs)
    return f"arrays by name, {{{wanted}}}"
