"""onnx.proto as tables: the field numbers that the scan reads, and every field there is.

Source: onnx.proto up to IR version 14.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from wire.model.protobuf import DOUBLES, FLOAT, FLOATS, MANY, NUMBER, NUMBERS, ONE, Rule, Schema


class ModelField(IntEnum):
    """Fields of ModelProto."""

    GRAPH = 7
    OPSET_IMPORT = 8
    TRAINING_INFO = 20
    FUNCTIONS = 25


class GraphField(IntEnum):
    """Fields of GraphProto."""

    NODE = 1
    INITIALIZER = 5
    INPUT = 11
    OUTPUT = 12
    SPARSE_INITIALIZER = 15


class NodeField(IntEnum):
    """Fields of NodeProto."""

    INPUT = 1
    OUTPUT = 2
    NAME = 3
    OP_TYPE = 4
    ATTRIBUTE = 5
    DOMAIN = 7
    OVERLOAD = 8


class AttributeField(IntEnum):
    """Fields of AttributeProto."""

    NAME = 1
    F = 2
    I = 3  # noqa: E741 - the name that onnx.proto gives it
    T = 5
    G = 6
    FLOATS = 7
    INTS = 8
    TENSORS = 10
    GRAPHS = 11
    SPARSE_TENSOR = 22
    SPARSE_TENSORS = 23


class TensorField(IntEnum):
    """Fields of TensorProto."""

    DIMS = 1
    DATA_TYPE = 2
    SEGMENT = 3
    FLOAT_DATA = 4
    INT32_DATA = 5
    STRING_DATA = 6
    INT64_DATA = 7
    NAME = 8
    RAW_DATA = 9
    DOUBLE_DATA = 10
    UINT64_DATA = 11
    EXTERNAL_DATA = 13
    DATA_LOCATION = 14


class SparseField(IntEnum):
    """Fields of SparseTensorProto."""

    VALUES = 1
    INDICES = 2
    DIMS = 3


class FunctionField(IntEnum):
    """Fields of FunctionProto."""

    NAME = 1
    NODE = 7
    DOMAIN = 10
    ATTRIBUTE_PROTO = 11
    OVERLOAD = 13


def _schema(rules: Mapping[Rule, tuple[int, ...]]) -> Schema:
    return {number: rule for rule, numbers in rules.items() for number in numbers}


MODEL: Final = _schema({NUMBER: (1, 5), ONE: (2, 3, 4, 6, 7), MANY: (8, 14, 20, 25, 26)})
GRAPH: Final = _schema({ONE: (2, 10), MANY: (1, 5, 11, 12, 13, 14, 15, 16)})
NODE: Final = _schema({ONE: (3, 4, 6, 7, 8), MANY: (1, 2, 5, 9, 10)})
ATTRIBUTE: Final = _schema(
    {
        NUMBER: (3, 20),
        NUMBERS: (8,),
        FLOAT: (2,),
        FLOATS: (7,),
        ONE: (1, 4, 5, 6, 13, 14, 21, 22),
        MANY: (9, 10, 11, 15, 23),
    }
)
TENSOR: Final = _schema(
    {
        NUMBER: (2, 14),
        NUMBERS: (1, 5, 7, 11),
        FLOATS: (4,),
        DOUBLES: (10,),
        ONE: (3, 8, 9, 12),
        MANY: (6, 13, 16),
    }
)
SPARSE_TENSOR: Final = _schema({NUMBERS: (3,), ONE: (1, 2)})
FUNCTION: Final = _schema({ONE: (1, 8, 10, 13), MANY: (4, 5, 6, 7, 9, 11, 12, 14)})
TRAINING_INFO: Final = _schema({ONE: (1, 2), MANY: (3, 4)})
OPSET: Final = _schema({NUMBER: (2,), ONE: (1,)})
VALUE_INFO: Final = _schema({ONE: (1, 2, 3), MANY: (4,)})
STRING_ENTRY: Final = _schema({ONE: (1, 2)})
