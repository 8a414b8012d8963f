"""The tables of a TFLite file: the fields that are read, and the kind of every field there is.

Kinds are those of `wire.tflite.flatbuffer`, in the order of the fields.
Source: LiteRT's schema.fbs, version 3 (also in ``ai_edge_litert.schema_py_generated``).
"""

from enum import IntEnum
from typing import Final

IDENTIFIER: Final = b"TFL3"
"""Bytes 4 to 8 of a file."""
VERSION: Final = 3

MODEL: Final = "ITTsT4TTTT"
OPERATOR_CODE: Final = "bsii"
SUBGRAPH: Final = "T44Tsi"
TENSOR: Final = "4bIstbt4bTI"
QUANTIZATION: Final = "4448Bti"
OPERATOR: Final = "I44Bt1b14QQBti"
BUFFER: Final = "1QQ"
METADATA: Final = "sI"
TENSOR_MAP: Final = "sI"
SIGNATURE: Final = "TTssI"


class ModelField(IntEnum):
    """Fields of Model."""

    VERSION = 0
    OPERATOR_CODES = 1
    SUBGRAPHS = 2
    BUFFERS = 4
    METADATA_BUFFER = 5
    METADATA = 6
    SIGNATURES = 7
    EXTERNAL_BUFFER_GROUPS = 8
    EXTERNAL_BUFFERS = 9


class OperatorCodeField(IntEnum):
    """Fields of OperatorCode."""

    DEPRECATED_BUILTIN_CODE = 0
    CUSTOM_CODE = 1
    VERSION = 2
    BUILTIN_CODE = 3


class SubgraphField(IntEnum):
    """Fields of SubGraph."""

    TENSORS = 0
    INPUTS = 1
    OUTPUTS = 2
    OPERATORS = 3


class TensorField(IntEnum):
    """Fields of Tensor."""

    SHAPE = 0
    TYPE = 1
    BUFFER = 2
    NAME = 3
    QUANTIZATION = 4
    IS_VARIABLE = 5
    SPARSITY = 6
    SHAPE_SIGNATURE = 7
    VARIANT_TENSORS = 9
    EXTERNAL_BUFFER = 10


class QuantizationField(IntEnum):
    """Fields of QuantizationParameters."""

    SCALE = 2
    ZERO_POINT = 3
    DETAILS_TYPE = 4
    DETAILS = 5
    QUANTIZED_DIMENSION = 6


class OperatorField(IntEnum):
    """Fields of Operator."""

    OPCODE_INDEX = 0
    INPUTS = 1
    OUTPUTS = 2
    OPTIONS_TYPE = 3
    OPTIONS = 4
    CUSTOM_OPTIONS = 5
    INTERMEDIATES = 8
    LARGE_CUSTOM_OPTIONS_OFFSET = 9
    LARGE_CUSTOM_OPTIONS_SIZE = 10
    OPTIONS_2_TYPE = 11
    OPTIONS_2 = 12


class BufferField(IntEnum):
    """Fields of Buffer."""

    DATA = 0
    OFFSET = 1
    SIZE = 2


class NamedField(IntEnum):
    """Fields of Metadata and of TensorMap: a name, and the index that it stands for."""

    NAME = 0
    INDEX = 1


class SignatureField(IntEnum):
    """Fields of SignatureDef."""

    INPUTS = 0
    OUTPUTS = 1
    KEY = 2
    SUBGRAPH_INDEX = 4
