"""Multiply-accumulates of TFLite operators, from shapes."""

from types import SimpleNamespace

import pytest
from ai_edge_litert import schema_py_generated as schema

from fleet.model_graph.facts import TensorFacts
from fleet.model_graph.graph import Operator
from fleet.tflite import cost
from fleet.tflite.cost import multiply_accumulates

WINDOW = {"filterWidth": 2, "filterHeight": 3}


def work(kind, reads, written, **options):
    """Return the work of one operator."""
    names = [f"i{number}" for number in range(len(reads))]
    facts = {name: TensorFacts(1, shape) for name, shape in zip(names, reads, strict=True)}
    facts["y"] = TensorFacts(1, written)
    node = SimpleNamespace(builtinOptions=SimpleNamespace(**options))
    return multiply_accumulates(
        Operator(node, tuple(names), ("y",), constant=False, kind=kind), facts
    )


@pytest.mark.parametrize(
    ("expected", "kind", "reads", "written", "options"),
    [
        (8 * 8 * 4 * 27, "CONV_2D", [(1, 10, 10, 3), (4, 3, 3, 3)], (1, 8, 8, 4), {}),
        (8 * 8 * 4 * 9, "DEPTHWISE_CONV_2D", [(1, 10, 10, 4), (1, 3, 3, 4)], (1, 8, 8, 4), {}),
        (4 * 4 * 2 * 5 * 9, "TRANSPOSE_CONV", [(4,), (5, 3, 3, 2), (1, 4, 4, 2)], (1, 9, 9, 5), {}),
        (4 * 6 * 27 * 2, "CONV_3D", [(1, 3, 4, 4, 2), (3, 3, 3, 2, 6)], (1, 1, 2, 2, 6), {}),
        (2 * 10 * 5, "FULLY_CONNECTED", [(2, 5), (10, 5)], (2, 10), {}),
        (2 * 3 * 4 * 5, "BATCH_MATMUL", [(2, 3, 5), (2, 5, 4)], (2, 3, 4), {"adjX": False}),
        (2 * 3 * 4 * 5, "BATCH_MATMUL", [(2, 5, 3), (2, 5, 4)], (2, 3, 4), {"adjX": True}),
        (16 * 6, "MAX_POOL_2D", [(1, 8, 8, 1)], (1, 4, 4, 1), WINDOW),
        (12, "ADD", [(3, 4), (3, 4)], (3, 4), {}),
        (12, "MEAN", [(3, 4), (1,)], (3,), {}),
        (0, "RESHAPE", [(3, 4), (1,)], (12,), {}),
        (None, "TFLite_Detection_PostProcess", [(3, 4)], (12,), {}),
        (None, "CONV_2D", [(1, 10, 10, 3)], (1, 8, 8, 4), {}),
        (None, "ADD", [(3, 4), (3, 4)], None, {}),
    ],
)  # fmt: skip
def test_the_work_of_operators(expected, kind, reads, written, options):
    """None where there is no rule, or a shape is not known."""
    assert work(kind, reads, written, **options) == expected


def test_rules_are_for_operators_that_there_are():
    """By the schema's names."""
    assert set(cost._RULES) <= vars(schema.BuiltinOperator).keys()
