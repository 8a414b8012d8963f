"""Element types and shapes of an ONNX graph's tensors: as declared, and for one set of sizes.

Weights that are not in the structure are described to the inference instead of handed to it: what
a shape depends on is smaller.
"""

from collections.abc import Iterator, Mapping

import onnx
from onnx import GraphProto, ModelProto, TensorProto, TypeProto, ValueInfoProto, helper

from fleet.cuts.graph import MAX_TENSORS
from fleet.model_graph.facts import Size, TensorFacts, spec
from wire.model.errors import ModelError
from wire.tensors import ELEMENT_TYPES, TensorSpec


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
