"""Opens the messages of an ONNX file, each as far as the scan needs it.

Only what can refer to a file, to code or to memory is opened; strings, types and shapes that are
only claims are skipped as views. Everything returned is a view of the caller's buffer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from wire.model import protobuf
from wire.model import schema as onnx_schema
from wire.model.errors import ProtobufError
from wire.model.protobuf import Budget, Message
from wire.model.schema import AttributeField, FunctionField, NodeField, TensorField

MAX_RANK: Final = 64
_EXTERNAL: Final = 1
_SHOWN_CHARACTERS: Final = 80


@dataclass(frozen=True, slots=True)
class Node:
    """One NodeProto: what it is called and where its attributes are."""

    name: str
    op_type: str
    domain: str
    """Empty for ONNX's own operators, also where the file says ``ai.onnx``."""
    overload: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Message]


@dataclass(frozen=True, slots=True)
class Tensor:
    """One TensorProto: its head, and where its elements are."""

    name: str
    data_type: int
    dims: tuple[int, ...]
    external: tuple[tuple[str, str], ...] | None
    """The entries of ``external_data``; None when the elements are in the file."""
    fields: Message


def model(data: memoryview, budget: Budget) -> Message:
    """Return the ModelProto that fills ``data``; see ``ModelField``."""
    return protobuf.decode(data, onnx_schema.MODEL, budget)


def graph(data: memoryview, budget: Budget) -> Message:
    """Return the GraphProto that fills ``data``; see ``GraphField``."""
    return protobuf.decode(data, onnx_schema.GRAPH, budget)


def training_graphs(data: memoryview, budget: Budget) -> list[memoryview]:
    """Return the GraphProtos of a TrainingInfoProto."""
    fields = protobuf.decode(data, onnx_schema.TRAINING_INFO, budget)
    return fields.views(1) + fields.views(2)


def function(data: memoryview, budget: Budget) -> Message:
    """Return the FunctionProto that fills ``data``; see ``FunctionField``."""
    return protobuf.decode(data, onnx_schema.FUNCTION, budget)


def function_key(fields: Message) -> tuple[str, str, str]:
    """Return the domain, operator name and overload that a function defines."""
    domain = _domain(fields.text(FunctionField.DOMAIN))
    return domain, fields.text(FunctionField.NAME), fields.text(FunctionField.OVERLOAD)


def opset(data: memoryview, budget: Budget) -> tuple[str, int]:
    """Return the domain and version of an OperatorSetIdProto."""
    fields = protobuf.decode(data, onnx_schema.OPSET, budget)
    return _domain(fields.text(1)), fields.number(2)


def value_name(data: memoryview, budget: Budget) -> str:
    """Return the name of a ValueInfoProto."""
    return protobuf.decode(data, onnx_schema.VALUE_INFO, budget).text(1)


def node(data: memoryview, budget: Budget) -> Node:
    """Return the NodeProto that fills ``data``.

    Raises:
        ProtobufError: Malformed, or two attributes have one name.
    """
    fields = protobuf.decode(data, onnx_schema.NODE, budget)
    attributes: dict[str, Message] = {}
    for view in fields.views(NodeField.ATTRIBUTE):
        found = attribute(view, budget)
        name = found.text(AttributeField.NAME)
        if name in attributes:
            raise ProtobufError(f"a node has attribute {shown(name)} twice")
        attributes[name] = found
    return Node(
        name=fields.text(NodeField.NAME),
        op_type=fields.text(NodeField.OP_TYPE),
        domain=_domain(fields.text(NodeField.DOMAIN)),
        overload=fields.text(NodeField.OVERLOAD),
        inputs=_names(fields, NodeField.INPUT),
        outputs=_names(fields, NodeField.OUTPUT),
        attributes=attributes,
    )


def attribute(data: memoryview, budget: Budget) -> Message:
    """Return the AttributeProto that fills ``data``; see ``AttributeField``."""
    return protobuf.decode(data, onnx_schema.ATTRIBUTE, budget)


def tensor(data: memoryview, budget: Budget) -> Tensor:
    """Return the TensorProto that fills ``data``; its elements are not read.

    Raises:
        ProtobufError: Malformed, too many dimensions, or unclear where its elements are.
    """
    fields = protobuf.decode(data, onnx_schema.TENSOR, budget)
    if TensorField.SEGMENT in fields:
        raise ProtobufError("a tensor is only a piece of another one, which no runtime reads")
    location = fields.number(TensorField.DATA_LOCATION)
    if location not in {0, _EXTERNAL}:
        raise ProtobufError(f"data_location {location} is unknown")
    entries = fields.views(TensorField.EXTERNAL_DATA)
    if entries and location != _EXTERNAL:
        raise ProtobufError("a tensor has external_data but says that its elements are inline")
    external = tuple(_entry(view, budget) for view in entries) if location == _EXTERNAL else None
    return Tensor(
        name=fields.text(TensorField.NAME),
        data_type=fields.number(TensorField.DATA_TYPE),
        dims=fields.numbers(TensorField.DIMS, at_most=MAX_RANK),
        external=external,
        fields=fields,
    )


def sparse(data: memoryview, budget: Budget) -> tuple[list[memoryview], tuple[int, ...]]:
    """Return the TensorProtos (values, then indices) and the dense dims of a SparseTensorProto.

    Raises:
        ProtobufError: Malformed, or values or indices are missing.
    """
    fields = protobuf.decode(data, onnx_schema.SPARSE_TENSOR, budget)
    parts = fields.views(1) + fields.views(2)
    if len(parts) != 2:
        raise ProtobufError("a sparse tensor lacks its values or its indices")
    return parts, fields.numbers(3, at_most=MAX_RANK)


def shown(name: str) -> str:
    """Return a name from the file quoted and short enough for a message."""
    return repr(name if len(name) <= _SHOWN_CHARACTERS else name[:_SHOWN_CHARACTERS] + "…")


def _domain(name: str) -> str:
    return "" if name == "ai.onnx" else name


def _names(fields: Message, field: int) -> tuple[str, ...]:
    return tuple(protobuf.text(view, at_most=1 << 16) for view in fields.views(field))


def _entry(data: memoryview, budget: Budget) -> tuple[str, str]:
    fields = protobuf.decode(data, onnx_schema.STRING_ENTRY, budget)
    return fields.text(1), fields.text(2)
