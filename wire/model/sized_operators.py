"""Operators whose output can be far larger than anything in the file: how much they will make.

A model of 195 bytes can ask for gigabytes: a constant shape and an operator that fills it, which
a runtime folds while it loads. Where the size is written in the file as a constant it is computed
here and refused in time. A size that is itself computed by arithmetic is not followed; that one
meets the worker's memory limit.

The result is a lower bound: an input of unknown size counts as one element.
Source: the operators' shape rules in ONNX's Operators.md.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias

from wire.model.element_data import MAX_VALUES, Constant, Number, floats, product, steps
from wire.model.protobuf import Message
from wire.model.schema import AttributeField
from wire.model.structure import Node

FOLDED_THROUGH: Final = frozenset(
    {"Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"}
)
"""Operators that hand on the numbers of their first input as they are."""
_FLOAT_BITS: Final = 32
_MAX_NUMBER_BYTES: Final = 10


@dataclass(frozen=True, slots=True)
class Call:
    """One node with what is known of its inputs; None: only known when the model runs."""

    node: Node
    inputs: Sequence[Constant | None]
    filled_with: Constant | None = None
    """The attribute ``value``, if it is a tensor."""

    @property
    def is_fixed(self) -> bool:
        """Whether every input is a constant, so that a runtime may compute it while loading."""
        used = zip(self.inputs, self.node.inputs, strict=True)
        return all(constant or not name for constant, name in used)

    def input(self, index: int) -> Constant | None:
        """Return the constant at an input, if it is one."""
        return self.inputs[index] if index < len(self.inputs) else None

    def values(self, index: int) -> tuple[Number, ...] | None:
        """Return the numbers at an input, if they are in the file."""
        known = self.input(index)
        return known.values if known else None

    def elements(self, index: int) -> int:
        """Return the number of elements at an input; 1 when unknown."""
        known = self.input(index)
        return known.elements if known else 1

    def attribute(self, name: str) -> Message | None:
        """Return an attribute, if the node has it."""
        return self.node.attributes.get(name)

    def integers(self, name: str) -> tuple[int, ...] | None:
        """Return a list of integers that is an attribute."""
        found = self.attribute(name)
        return found.numbers(AttributeField.INTS, at_most=2 * MAX_VALUES) if found else None


Size: TypeAlias = Callable[[Call], Number | None]
"""Returns the number of elements of the output; None when it is not in the file."""


def _shape_input(index: int) -> Size:
    return lambda call: _product(call.values(index))


def _shape_attribute(call: Call) -> Number | None:
    return _product(call.integers("shape"))


def _tile(call: Call) -> Number | None:
    repeats = call.values(1)
    return None if repeats is None else product((*repeats, call.elements(0)))


def _range(call: Call) -> Number | None:
    return steps([call.values(index) for index in range(3)])


def _resize(call: Call) -> Number | None:
    sizes = call.values(3)
    if sizes:
        return product(sizes)
    scales = call.values(2) or call.values(1) or _scales(call)
    return product((*scales, call.elements(0))) if scales else None


def _scales(call: Call) -> tuple[Number, ...] | None:
    found = call.attribute("scales")
    return floats(found.values(AttributeField.FLOATS)) if found else None


def _pad(call: Call) -> Number | None:
    pads = call.values(1) or call.integers("pads")
    if not pads:
        return None
    half = len(pads) // 2
    return product(tuple(1 + max(a + b, 0) for a, b in zip(pads, pads[half:], strict=False)))


def _one_hot(call: Call) -> Number | None:
    depth = call.values(1)
    return None if depth is None else product((*depth, call.elements(0)))


def _product(sizes: tuple[Number, ...] | None) -> Number | None:
    return None if sizes is None else product(sizes)


_WRITTEN: Final = (
    ("value_int", AttributeField.I, 64),
    ("value_ints", AttributeField.INTS, 64),
    ("value_float", AttributeField.F, _FLOAT_BITS),
    ("value_floats", AttributeField.FLOATS, _FLOAT_BITS),
)

SIZES: Final[Mapping[str, Size]] = MappingProxyType(
    {
        "BlackmanWindow": _shape_input(0),
        "ConstantOfShape": _shape_input(0),
        "Expand": _shape_input(1),
        "HammingWindow": _shape_input(0),
        "HannWindow": _shape_input(0),
        "OneHot": _one_hot,
        "Pad": _pad,
        "RandomNormal": _shape_attribute,
        "RandomUniform": _shape_attribute,
        "Range": _range,
        "Resize": _resize,
        "Tile": _tile,
        "Upsample": _resize,
    }
)
"""By operator of ONNX's own domain. To add one: a function from a call to a number of elements."""

SIZE_INPUTS: Final[Mapping[str, tuple[int, ...]]] = MappingProxyType(
    {
        "ConstantOfShape": (0,),
        "Expand": (1,),
        "OneHot": (1,),
        "Pad": (1,),
        "Range": (0, 1, 2),
        "Resize": (2, 3),
        "Tile": (1,),
        "Upsample": (1,),
    }
)
"""The inputs that say how large; in a segment they must be in the file, where they are seen."""


def made_bytes(call: Call) -> float | None:
    """Return how many bytes the output has at least; None when it is not in the file.

    Raises:
        ProtobufError: An attribute that says how large is malformed.
    """
    size = SIZES.get(call.node.op_type)
    elements = size(call) if size else None
    return None if elements is None else elements * _bits(call) / 8


def has_unseen_size(call: Call) -> bool:
    """Whether what says how large is a constant in another file."""
    indices = SIZE_INPUTS.get(call.node.op_type, ())
    return any(known.external for known in map(call.input, indices) if known)


def folded(call: Call) -> Constant | None:
    """Return the output of a node that only hands on or joins constants; None for any other."""
    known = [constant for constant in call.inputs if constant]
    if call.node.op_type in FOLDED_THROUGH:
        return call.input(0)
    if call.node.op_type != "Concat" or not known or len(known) != len(call.inputs):
        return None
    joined: list[Number] = []
    for constant in known:
        if constant.values is None or len(joined) + len(constant.values) > MAX_VALUES:
            return None
        joined.extend(constant.values)
    external = any(constant.external for constant in known)
    return Constant(len(joined), known[0].bits, tuple(joined), external)


def written(node: Node) -> Constant | None:
    """Return the number or numbers of a Constant node that are no tensor, if it has such.

    Raises:
        ProtobufError: They are malformed.
    """
    numbers: tuple[Number, ...]
    for name, which, bits in _WRITTEN:
        found = node.attributes.get(name)
        if found is None:
            continue
        values = found.values(which)
        stored = sum(1 if isinstance(value, int) else len(value) for value in values)
        if stored > MAX_VALUES * _MAX_NUMBER_BYTES:
            return Constant(stored // _MAX_NUMBER_BYTES, bits)
        is_float = bits == _FLOAT_BITS
        numbers = floats(values) if is_float else found.numbers(which, at_most=stored)
        return Constant(len(numbers), bits, numbers)
    return None


def _bits(call: Call) -> int:
    if call.node.op_type == "ConstantOfShape":
        return call.filled_with.bits if call.filled_with else _FLOAT_BITS
    first = call.input(2 if call.node.op_type == "OneHot" else 0)
    return first.bits if first else _FLOAT_BITS
