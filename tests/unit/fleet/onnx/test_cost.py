"""Multiply-accumulates from shapes."""

import onnx
import pytest
from onnx import helper

from fleet.model_graph.facts import TensorFacts
from fleet.onnx.cost import _RULES, multiply_accumulates
from fleet.onnx.graph import Operator

IMAGE, FILTERS = (1, 3, 32, 32), (8, 3, 5, 5)


def work(op_type, shapes, written, domain="", **attributes):
    """Return the work of an operator with inputs of these shapes and one output."""
    names = [f"i{n}" for n in range(len(shapes))]
    node = helper.make_node(op_type, names, ["y"], domain=domain, **attributes)
    facts = {
        name: TensorFacts(1, shape)
        for name, shape in zip([*names, "y"], [*shapes, written], strict=True)
    }
    return multiply_accumulates(Operator(node, tuple(names), ("y",), constant=False), facts)


@pytest.mark.parametrize(
    ("expected", "op_type", "shapes", "written", "attributes"),
    [
        (8 * 28 * 28 * 75, "Conv", [IMAGE, FILTERS], (1, 8, 28, 28), {}),
        (8 * 28 * 28 * 25, "Conv", [(1, 8, 32, 32), (8, 1, 5, 5)], (1, 8, 28, 28), {"group": 8}),
        (3 * 32 * 32 * 100, "ConvTranspose", [IMAGE, (3, 4, 5, 5)], (1, 4, 36, 36), {}),
        (2 * 7 * 11 * 5, "MatMul", [(2, 7, 5), (5, 11)], (2, 7, 11), {}),
        (7 * 11 * 5, "Gemm", [(7, 5), (5, 11)], (7, 11), {}),
        (7 * 11 * 5, "Gemm", [(5, 7), (5, 11)], (7, 11), {"transA": 1}),
        (4 * 2 * (400 + 400), "LSTM", [(4, 2, 10), (1, 40, 10), (1, 40, 10)], (4, 1, 2, 10), {}),
        (16 * 9, "MaxPool", [(1, 1, 8, 8)], (1, 1, 4, 4), {"kernel_shape": [3, 3]}),
        (2 * 3 * 4 * 5, "Einsum", [(2, 3, 4), (2, 4, 5)], (2, 3, 5), {"equation": "bij,bjk->bik"}),
        (1024 * 3, "Relu", [IMAGE], IMAGE, {}),
        (1024 * 3, "ReduceMean", [IMAGE], (1, 3, 1, 1), {}),
        (0, "Reshape", [IMAGE, (2,)], (3, 1024), {}),
    ],
)
def test_the_work_of_operators(expected, op_type, shapes, written, attributes):
    """As counted by hand."""
    assert expected == work(op_type, shapes, written, **attributes)


@pytest.mark.parametrize(
    ("op_type", "domain"),
    [("If", ""), ("NonMaxSuppression", ""), ("MultiHeadAttention", "com.microsoft")],
)
def test_an_operator_without_a_rule_is_not_guessed(op_type, domain):
    """Its work is unknown, which is not the same as none."""
    assert work(op_type, [IMAGE], IMAGE, domain=domain) is None


def test_unknown_sizes_are_not_guessed():
    """A sum whose length is not known has no number."""
    assert work("MatMul", [(), (5, 11)], (2, 11)) is None


def test_rules_are_for_operators_that_exist():
    """Each name is an operator of ONNX, now or once."""
    known = {schema.name for schema in onnx.defs.get_all_schemas_with_history()}

    assert set() == {name for domain, name in _RULES if not domain} - known
