"""What one operator gives for inputs of some types, and whether the runtime here has it at all."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import onnx
import onnxruntime as ort
from onnx import ModelProto, NodeProto, TypeProto, ValueInfoProto, helper, numpy_helper

if TYPE_CHECKING:
    from tests.generated.building import Tensor

NEWEST_OPSET = onnx.defs.onnx_opset_version()
OLDEST_OPSET = 7
"""Of what the runtime promises to run."""

_REFUSALS = (
    onnx.checker.ValidationError,
    onnx.defs.SchemaError,
    onnx.shape_inference.InferenceError,
    RuntimeError,
)


class UnfitError(Exception):
    """An operator cannot stand where it was tried."""


def output_types(
    node: NodeProto, inputs: Sequence["Tensor"], opset: int, like: TypeProto | None
) -> list[TypeProto]:
    """Return the types of the outputs that ``node`` has.

    Raises:
        UnfitError: onnx or the runtime refuses the node.
    """
    plain, tensors = _plain(node, inputs)
    made = [name for name in plain.output if name]
    known = dict.fromkeys(made, like) if like else _inferred(plain, tensors, opset)
    if any(name not in known or not known[name].WhichOneof("value") for name in made):
        raise UnfitError
    if not _runs(_model(plain, tensors, known, opset)):
        raise UnfitError
    return [known[name] for name in made]


def session(model: bytes | str) -> ort.InferenceSession:
    """Return plain onnxruntime without optimisations."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _plain(node: NodeProto, inputs: Sequence["Tensor"]) -> tuple[NodeProto, dict[str, "Tensor"]]:
    """Return the node with names that do not depend on the graph around it."""
    names = {tensor.name: f"i{place}" for place, tensor in enumerate(inputs)}
    plain = NodeProto()
    plain.CopyFrom(node)
    plain.input[:] = [names.get(name, "") for name in node.input]
    plain.output[:] = [name and f"o{place}" for place, name in enumerate(node.output)]
    return plain, {names[tensor.name]: tensor for tensor in inputs}


def _inferred(node: NodeProto, tensors: Mapping[str, "Tensor"], opset: int) -> dict[str, TypeProto]:
    try:
        schema = onnx.defs.get_schema(node.op_type, opset, node.domain)
        return onnx.shape_inference.infer_node_outputs(
            schema,
            node,
            {name: tensor.type for name, tensor in tensors.items()},
            {
                name: numpy_helper.from_array(tensor.value)
                for name, tensor in tensors.items()
                if tensor.value is not None
            },
            opset_imports=[helper.make_opsetid(node.domain, opset)],
        )
    except _REFUSALS as error:
        raise UnfitError from error


def _model(
    node: NodeProto,
    tensors: Mapping[str, "Tensor"],
    outputs: Mapping[str, TypeProto],
    opset: int,
) -> bytes:
    graph = onnx.GraphProto(name="one", node=[node])
    for name, tensor in tensors.items():
        if tensor.value is None:
            graph.input.append(ValueInfoProto(name=name, type=tensor.type))
        else:
            graph.initializer.append(numpy_helper.from_array(tensor.value, name))
    for name in node.output:
        if name:
            graph.output.append(ValueInfoProto(name=name, type=outputs[name]))
    model = ModelProto(ir_version=9, graph=graph)
    model.opset_import.append(helper.make_opsetid("", opset))
    if node.domain:
        model.opset_import.append(helper.make_opsetid(node.domain, 1))
    return model.SerializeToString(deterministic=True)


@lru_cache(maxsize=20_000)
def _runs(model: bytes) -> bool:
    try:
        session(model)
    except Exception:
        return False
    return True
