"""Our tables of TFLite's schema say what LiteRT's own say."""

import flatbuffers
import pytest
from ai_edge_litert import schema_py_generated as schema

from wire.tflite import option_tables
from wire.tflite import schema as kinds
from wire.tflite.arity import ARITIES
from wire.tflite.element_types import ELEMENT_TYPES
from wire.tflite.flatbuffer import SCALARS, STRING, STRINGS, File
from wire.tflite.operators import BUILTIN, DETECTION_POSTPROCESS

UNREAD = {("FullyConnected", "quantSpec")}
"""Fields that are refused as unknown: bytes of which nothing says what they are."""


def numbered(enum):
    """Return the names of a generated enum by their numbers."""
    return {value: name for name, value in vars(enum).items() if isinstance(value, int)}


def test_operators_and_element_types_have_litert_s_numbers():
    """A number means the same operator, and the same type, here and there."""
    assert dict(enumerate(BUILTIN)) == numbered(schema.BuiltinOperator)
    types = {number: kind.name for number, kind in enumerate(ELEMENT_TYPES)}
    assert types == numbered(schema.TensorType)
    assert set(ARITIES) - {DETECTION_POSTPROCESS} <= set(BUILTIN)


@pytest.mark.parametrize(
    ("tables", "union"),
    [
        (option_tables.OPTIONS, schema.BuiltinOptions),
        (option_tables.OPTIONS_2, schema.BuiltinOptions2),
    ],
    ids=["options", "options 2"],
)
def test_options_are_those_of_litert(tables, union):
    """Each table of options, with every field set, is read with the kinds that we give it."""
    names = {number: name.removesuffix("Options") for number, name in numbered(union).items()}
    assert {n: table.name for n, table in enumerate(tables, 1)} | {0: "NONE"} == names

    for name, spelled in tables:
        made = getattr(schema, f"{name}OptionsT")()
        fields = [field for field in vars(made) if (name, field) not in UNREAD]
        older = len(spelled) - len(fields)
        for field, kind in zip(fields, spelled[older:], strict=True):
            setattr(made, field, _other(getattr(made, field), kind))
        builder = flatbuffers.Builder(0)
        builder.Finish(made.Pack(builder))

        table = File(memoryview(bytes(builder.Output())), max_parts=1000).root(spelled)

        present = [field for field in range(len(spelled)) if field in table]
        assert present == list(range(older, len(spelled))), name


def _other(value, kind):
    """Return a value that is not the field's default, so that it is written."""
    if kind in SCALARS:
        return not value if isinstance(value, bool) else value + 1
    return {STRING: "text", STRINGS: ["text"]}.get(kind, [1])


def test_tables_have_litert_s_fields():
    """Nothing that LiteRT's writer writes in a table is unknown to us."""
    expected = {
        "Model": kinds.MODEL,
        "OperatorCode": kinds.OPERATOR_CODE,
        "SubGraph": kinds.SUBGRAPH,
        "Tensor": kinds.TENSOR,
        "QuantizationParameters": kinds.QUANTIZATION,
        "Operator": kinds.OPERATOR,
        "Buffer": kinds.BUFFER,
        "Metadata": kinds.METADATA,
        "TensorMap": kinds.TENSOR_MAP,
        "SignatureDef": kinds.SIGNATURE.replace("s", "", 1),  # one that is no longer written
    }

    fields = {name: len(vars(getattr(schema, f"{name}T")())) for name in expected}

    assert {name: len(found) for name, found in expected.items()} == fields
