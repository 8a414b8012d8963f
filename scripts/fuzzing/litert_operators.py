"""Invent TFLite models of one operator, with inputs, outputs and options that hardly ever fit.

Most kernels refuse them, some end the process. What often did so is a rule now, in
`wire.model.tflite_arguments`; the rest is why a worker is a process of its own.
"""

import random
from typing import Any, Final

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tests.fixtures.tflite_builder import TfliteModel
from wire.tflite.arity import ARITIES
from wire.tflite.element_types import ELEMENT_TYPES
from wire.tflite.operators import BUILTIN

SHAPES: Final = (
    (), (1,), (2,), (4,), (3,), (0,), (1, 4), (4, 4), (2, 2), (4, 2), (6, 2), (1, 4, 4, 2),
    (2, 3, 3, 2), (1, 2, 2, 2), (1, 8, 8, 4), (1, 0, 4, 2), (1, 2, 3, 4, 2),
)  # fmt: skip
TYPES: Final = ("FLOAT32", "FLOAT32", "INT32", "INT32", "INT64", "INT8", "UINT8", "INT16", "BOOL")
_NUMBERS: Final = (0, 1, 1, 2, 3, -1, 100, (1 << 31) - 1)
_SHARED_OPTIONS: Final = {
    **dict.fromkeys(("MAX_POOL_2D", "AVERAGE_POOL_2D", "L2_POOL_2D"), "Pool2D"),
    **dict.fromkeys(("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"), "Reducer"),
    **dict.fromkeys(("MAXIMUM", "MINIMUM"), "MaximumMinimum"),
    **dict.fromkeys(("RANDOM_UNIFORM", "RANDOM_STANDARD_NORMAL"), "Random"),
    "CONV_3D_TRANSPOSE": "Conv3D",
    "L2_NORMALIZATION": "L2Norm",
}
_OWN_OPTIONS: Final = {
    name.removesuffix("Options").upper(): name.removesuffix("Options")
    for name in vars(schema.BuiltinOptions)
    if name.endswith("Options")
}
_BY_NAME: Final = {kind.name: number for number, kind in enumerate(ELEMENT_TYPES)}
OPERATORS: Final = tuple(name for name in ARITIES if name in BUILTIN)


def invented(chance: random.Random) -> tuple[str, bytes]:
    """Return an operator's name, and a model of it alone."""
    name = chance.choice(OPERATORS)
    arity = ARITIES[name]
    model = TfliteModel()
    shapes = chance.sample(SHAPES, 2) if chance.random() < 0.6 else SHAPES
    kinds = chance.sample(TYPES, 2) if chance.random() < 0.6 else TYPES

    def tensor(what: str, *, constant: bool) -> int:
        shape, kind = chance.choice(shapes), chance.choice(kinds)
        scales: dict[str, Any] = {}
        if kind in {"INT8", "UINT8", "INT16"} and chance.random() < 0.8:
            scales = {"scales": [0.1], "zero_points": [0]}
        index = model.tensor(what, shape, _BY_NAME[kind], **scales)
        if constant:
            values = np.array([chance.randrange(-3, 6) for _ in range(int(np.prod(shape)))])
            data = values.astype("?" if kind == "BOOL" else kind.lower())
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(data.tobytes(), np.uint8)
            model.made.buffers.append(buffer)
            model.graph.tensors[index].buffer = len(model.made.buffers) - 1
        return index

    count = chance.randint(arity.least_inputs, min(arity.most_inputs, arity.least_inputs + 3))
    constants = [chance.random() < 0.5 for _ in range(count)]
    inputs = [tensor(f"i{at}", constant=constant) for at, constant in enumerate(constants)]
    outputs = [
        tensor(f"o{at}", constant=False)
        for at in range(
            chance.randint(arity.least_outputs, min(arity.most_outputs, arity.least_outputs + 2))
        )
    ]
    model.operator(name, inputs, outputs, version=chance.randint(1, 5), **_options(name, chance))
    given = zip(inputs, constants, strict=True)
    model.graph.inputs = [index for index, constant in given if not constant]
    model.graph.outputs = outputs
    return name, model.data()


def _options(name: str, chance: random.Random) -> dict[str, Any]:
    kind = _SHARED_OPTIONS.get(name) or _OWN_OPTIONS.get(name.replace("_", ""))
    if kind is None or chance.random() < 0.1:
        return {}
    options: dict[str, Any] = {"kind": kind}
    for field, value in vars(getattr(schema, f"{kind}OptionsT")()).items():
        match value:
            case bool():
                options[field] = chance.random() < 0.5
            case int() if field.lower().endswith(
                ("type", "function", "padding", "format", "mode", "combiner")
            ):
                options[field] = chance.randrange(7)
            case int():
                options[field] = chance.choice(_NUMBERS)
            case float():
                options[field] = chance.choice((0.0, 1.0, -1.0, 1e30))
    return options
