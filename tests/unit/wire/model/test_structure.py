import onnx
import pytest
from onnx import AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto
from onnx import helper as h

from wire.model import schema as onnx_schema
from wire.model import structure as onnx_walk
from wire.model.errors import ProtobufError
from wire.model.protobuf import FIXED32, FIXED64, LENGTH, VARINT, Budget

TABLES = {
    ModelProto: onnx_schema.MODEL,
    GraphProto: onnx_schema.GRAPH,
    NodeProto: onnx_schema.NODE,
    AttributeProto: onnx_schema.ATTRIBUTE,
    TensorProto: onnx_schema.TENSOR,
    onnx.SparseTensorProto: onnx_schema.SPARSE_TENSOR,
    FunctionProto: onnx_schema.FUNCTION,
    onnx.TrainingInfoProto: onnx_schema.TRAINING_INFO,
    onnx.OperatorSetIdProto: onnx_schema.OPSET,
    onnx.ValueInfoProto: onnx_schema.VALUE_INFO,
    onnx.StringStringEntryProto: onnx_schema.STRING_ENTRY,
}


def wire_type(field):
    """Return how protobuf writes one value of the field."""
    kinds = {
        field.TYPE_FLOAT: FIXED32,
        field.TYPE_DOUBLE: FIXED64,
        field.TYPE_STRING: LENGTH,
        field.TYPE_BYTES: LENGTH,
        field.TYPE_MESSAGE: LENGTH,
    }
    return kinds.get(field.type, VARINT)


@pytest.mark.parametrize("message", TABLES, ids=lambda message: message.__name__)
def test_tables_are_those_of_onnx(message):
    """Each field that the installed ONNX knows stands in our table, with its wire type."""
    theirs = {f.number: wire_type(f) for f in message.DESCRIPTOR.fields}

    assert theirs == {number: rule.wire_types[0] for number, rule in TABLES[message].items()}


@pytest.mark.parametrize("message", TABLES, ids=lambda message: message.__name__)
def test_only_repeated_fields_may_stand_twice(message):
    """A field that onnx.proto repeats is repeated here, and no other."""
    theirs = {
        f.number for f in message.DESCRIPTOR.fields if getattr(f, "is_repeated", None) or _many(f)
    }

    assert theirs == {number for number, rule in TABLES[message].items() if rule.repeated}


def _many(field):
    return not hasattr(field, "is_repeated") and field.label == field.LABEL_REPEATED


@pytest.mark.parametrize(
    ("enum", "message"),
    [
        (onnx_schema.ModelField, ModelProto),
        (onnx_schema.GraphField, GraphProto),
        (onnx_schema.NodeField, NodeProto),
        (onnx_schema.AttributeField, AttributeProto),
        (onnx_schema.TensorField, TensorProto),
        (onnx_schema.FunctionField, FunctionProto),
    ],
)
def test_field_names_are_those_of_onnx(enum, message):
    """A name means the number that onnx.proto gives it."""
    theirs = message.DESCRIPTOR.fields_by_number

    assert {f.name.lower() for f in enum} == {theirs[f.value].name for f in enum}
    assert all(theirs[f.value].name == f.name.lower() for f in enum)


def opened(what, message):
    """Return what the walk finds in a message that onnx wrote."""
    return what(memoryview(message.SerializeToString()), Budget(1000))


def test_a_node_is_opened():
    """Names, operator, domain and attributes come out; ai.onnx is the empty domain."""
    made = h.make_node("Gemm", ["a", "", "c"], ["y"], name="n", domain="ai.onnx", alpha=2.0)
    node = opened(onnx_walk.node, made)

    assert (node.name, node.op_type, node.domain) == ("n", "Gemm", "")
    assert (node.inputs, node.outputs, list(node.attributes)) == (("a", "", "c"), ("y",), ["alpha"])


def test_an_attribute_stands_once():
    """Of two attributes with one name runtimes take either."""
    made = h.make_node("Gemm", ["a"], ["y"], alpha=2.0)
    made.attribute.append(h.make_attribute("alpha", 3.0))

    with pytest.raises(ProtobufError, match="attribute 'alpha' twice"):
        opened(onnx_walk.node, made)


def test_a_tensors_head_is_opened():
    """Name, type and shape come out, and that the elements are inside."""
    tensor = opened(onnx_walk.tensor, h.make_tensor("w", TensorProto.INT8, [2, 1], [1, 2]))

    assert (tensor.name, tensor.data_type, tensor.dims) == ("w", TensorProto.INT8, (2, 1))
    assert tensor.external is None


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda t: t.segment.SetInParent(), "only a piece"),
        (lambda t: t.external_data.add(key="location", value="x"), "says .* inline"),
        (lambda t: t.dims.extend([1] * 64), "more than 64 numbers"),
    ],
)
def test_unclear_tensors_are_refused(spoil, problem):
    """It must be plain where the elements are and how many."""
    made = h.make_tensor("w", TensorProto.FLOAT, [1], [1.0])
    spoil(made)

    with pytest.raises(ProtobufError, match=problem):
        opened(onnx_walk.tensor, made)


def test_an_unknown_location_is_refused():
    """A data_location that narrows to EXTERNAL elsewhere is not taken for DEFAULT here."""
    data = b"\x70\x81\x80\x80\x80\x10"  # field 14 = 2**32 + 1

    with pytest.raises(ProtobufError, match="data_location 4294967297 is unknown"):
        onnx_walk.tensor(memoryview(data), Budget(9))


def test_a_sparse_tensor_has_both_parts():
    """Values without indices say nothing."""
    made = onnx.SparseTensorProto(dims=[4])
    made.values.CopyFrom(h.make_tensor("w", TensorProto.FLOAT, [1], [1.0]))

    with pytest.raises(ProtobufError, match="lacks its values or its indices"):
        opened(onnx_walk.sparse, made)


def test_names_are_shown_short():
    """A name from the file cannot fill a log or move the cursor."""
    assert onnx_walk.shown("a\x1b[2J") == "'a\\x1b[2J'"
    assert len(onnx_walk.shown("x" * 5000)) < 90
