"""Element types and shapes of an ONNX graph's tensors: as declared, and for one set of sizes.

Weights that are not in the structure are described to the inference instead of handed to it: what
a shape depends on is smaller.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import onnx
from onnx import GraphProto, ModelProto, TensorProto, TypeProto, ValueInfoProto, helper

from fleet.cuts.graph import MAX_TENSORS
from wire.model.errors import ModelError
from wire.tensors import ELEMENT_TYPES, TensorSpec

Size = int | str
"""A dimension: a number, a name, or empty when nothing is known of it."""
Sizes = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TensorFacts:
    """What is known of one tensor."""

    dtype: int = 0
    """ONNX's number; 0 when it is unknown or no tensor."""
    shape: tuple[Size, ...] | None = None

    @property
    def sizes(self) -> tuple[int, ...] | None:
        """The shape, if every dimension is a number."""
        if self.shape is None:
            return None
        numbers = tuple(size for size in self.shape if isinstance(size, int))
        return numbers if len(numbers) == len(self.shape) else None

    @property
    def movable(self) -> bool:
        """Whether a tensor of this type may cross a cut."""
        return self.dtype in ELEMENT_TYPES

    @property
    def size_bytes(self) -> int:
        """Its size; 0 when it is unknown."""
        if self.sizes is None or not self.movable:
            return 0
        total = ELEMENT_TYPES[self.dtype].size_bytes
        for size in self.sizes:
            total *= size
        return total


def input_specs(model: ModelProto, names: tuple[str, ...], source: str) -> tuple[TensorSpec, ...]:
    """Return the graph's inputs ``names`` as specs, in the graph's order.

    Raises:
        ModelError: An input declares no shape, or its elements may not travel.
    """
    if len(names) > MAX_TENSORS:
        rule = f"has {len(names)} inputs (at most {MAX_TENSORS} travel in one frame)"
        raise ModelError(source, "", rule)
    specs = []
    for value in model.graph.input:
        if value.name in names:
            facts = _of_value(value)
            if facts.shape is None or not facts.movable:
                rule = "has no shape, or is of a type that may not travel in frames"
                raise ModelError(source, f"input {value.name!r:.80}", rule)
            specs.append(spec(value.name, facts))
    return tuple(specs)


def check_outputs(model: ModelProto, source: str) -> None:
    """Check that what the model gives may travel, as far as it says what that is.

    Raises:
        ModelError: There are too many outputs, or one is of a type that may not.
    """
    outputs = model.graph.output
    if len(outputs) > MAX_TENSORS:
        rule = f"has {len(outputs)} outputs (at most {MAX_TENSORS} travel in one frame)"
        raise ModelError(source, "", rule)
    for value in outputs:
        kind = value.type.WhichOneof("value")
        dtype = value.type.tensor_type.elem_type if kind == "tensor_type" else 0
        if kind not in {None, "tensor_type"} or (dtype and dtype not in ELEMENT_TYPES):
            rule = "is of a type that may not travel in frames"
            raise ModelError(source, f"output {value.name!r:.80}", rule)


def declared(model: ModelProto) -> dict[str, TensorFacts]:
    """Return what the graph's inputs and outputs declare, by name."""
    return {
        value.name: _of_value(value)
        for values in (model.graph.output, model.graph.input)
        for value in values
    }


def spec(name: str, facts: TensorFacts) -> TensorSpec:
    """Return a tensor's spec."""
    return TensorSpec(name=name, dtype=facts.dtype, shape=facts.shape or ())


def infer(
    model: ModelProto, sizes: Mapping[str, tuple[int, ...]] | None = None
) -> dict[str, TensorFacts]:
    """Return what shape inference knows of the tensors of ``model``'s graph, by name.

    Args:
        model: A model with its weights as initializers.
        sizes: Sizes of the inputs; None: as declared, dimensions keep their names.
    """
    skeleton = _skeleton(model, sizes or {})
    try:
        inferred = onnx.shape_inference.infer_shapes(skeleton, data_prop=True)
    except (onnx.shape_inference.InferenceError, RuntimeError, ValueError):
        inferred = skeleton  # what it does not know, a real run will tell
    found = {name: facts for name, facts in _values(inferred.graph) if facts.shape is not None}
    for tensor in model.graph.initializer:
        found[tensor.name] = TensorFacts(tensor.data_type, tuple(tensor.dims))
    return found


def agreeing(
    shapes: Sequence[tuple[Size, ...] | None], seen: Sequence[tuple[Mapping[str, int], Sizes]]
) -> tuple[Size, ...]:
    """Return a tensor's shape with all that is known of it and that real runs agree with.

    Args:
        shapes: As declared and as inferred, where they are; the first that fits a size is taken.
        seen: Of each run, the sizes of the dimensions that the model's inputs name, and what the
            tensor had. Names that no input has are made up, and are not kept.
    """
    rank = len(seen[0][1])
    kept: list[Size] = [""] * rank
    for shape in shapes:
        if shape is None or len(shape) != rank:
            continue
        for axis, asked in enumerate(shape):
            holds = asked != "" and all(
                len(sizes) == rank
                and sizes[axis] == (asked if isinstance(asked, int) else named.get(asked))
                for named, sizes in seen
            )
            if kept[axis] == "" and holds:
                kept[axis] = asked
    return tuple(kept)


def _skeleton(model: ModelProto, sizes: Mapping[str, tuple[int, ...]]) -> ModelProto:
    made = ModelProto(ir_version=max(model.ir_version, 4))  # before 4 each weight is an input
    made.opset_import.extend(model.opset_import)
    made.functions.extend(model.functions)
    made.graph.name = "skeleton"
    made.graph.node.extend(model.graph.node)
    weights = {tensor.name for tensor in model.graph.initializer}
    for value in model.graph.input:
        if value.name in sizes:
            dtype = value.type.tensor_type.elem_type
            made.graph.input.append(
                helper.make_tensor_value_info(value.name, dtype, sizes[value.name])
            )
        elif value.name not in weights:
            made.graph.input.append(value)
    for tensor in model.graph.initializer:
        if tensor.data_location != TensorProto.EXTERNAL:
            made.graph.initializer.append(tensor)
        else:
            made.graph.input.append(
                helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            )
    made.graph.sparse_initializer.extend(model.graph.sparse_initializer)
    made.graph.output.extend(ValueInfoProto(name=value.name) for value in model.graph.output)
    return made


def _values(graph: GraphProto) -> Iterator[tuple[str, TensorFacts]]:
    for values in (graph.input, graph.value_info, graph.output):
        for value in values:
            yield value.name, _of_value(value)


def _of_value(value: ValueInfoProto) -> TensorFacts:
    if not value.type.HasField("tensor_type"):
        return TensorFacts(0, () if value.type.WhichOneof("value") else None)
    return _of_tensor(value.type.tensor_type)


def _of_tensor(tensor: TypeProto.Tensor) -> TensorFacts:
    if not tensor.HasField("shape"):
        return TensorFacts(tensor.elem_type, None)
    shape: list[Size] = []
    for dimension in tensor.shape.dim:
        if dimension.HasField("dim_value") and dimension.dim_value >= 0:
            shape.append(dimension.dim_value)
        else:  # some exporters write `?` for every size they do not know
            name = dimension.dim_param
            shape.append(name if any(letter.isalnum() for letter in name) else "")
    return TensorFacts(tensor.elem_type, tuple(shape))
