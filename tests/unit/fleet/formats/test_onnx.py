"""Cutting ONNX models: segments one after the other are the whole model, bit by bit."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from fleet.errors import NoCutError
from fleet.formats import CutRequest


def assert_same(have, expected):
    """Each expected tensor is there, bit by bit."""
    for name, array in expected.items():
        assert have[name].dtype == array.dtype, name
        assert have[name].shape == array.shape, name
        assert have[name].tobytes() == array.tobytes(), name


@pytest.mark.parametrize("stages", range(1, 8))
def test_any_number_of_segments_gives_the_whole_models_outputs(
    saved, kind, stages, write_segments, run_whole, run_chain
):
    """For each kind of model and each count that it can be cut into."""
    path = saved(kind)
    feeds, expected = run_whole(path)
    try:
        plan, folder = write_segments(path, CutRequest(stages=stages))
    except NoCutError as error:
        assert error.largest < stages  # noqa: PT017 the count itself is the parameter
        return

    assert len(plan.segments) == stages
    assert_same(run_chain(folder, feeds), expected)


@pytest.mark.parametrize(
    ("kind", "at"),
    [
        ("skips", ("b", "d")),
        ("types", ("mask", "scaled")),
        ("types", ("shape+mask", "chosen+both")),
        ("early_and_late", ("early",)),
        ("bodies", ("b", "c", "chosen")),
        ("bodies", ("looped",)),
        ("many_outputs", ("places",)),
        ("functions", ("a", "c")),
    ],
)
def test_cuts_where_the_user_says_give_the_whole_models_outputs(
    saved, kind, at, write_segments, run_whole, run_chain
):
    """Named tensors, in the middle of skip connections and beside control flow."""
    path = saved(kind)
    feeds, expected = run_whole(path)

    plan, folder = write_segments(path, CutRequest(at=at))

    assert len(plan.segments) == len(at) + 1
    assert_same(run_chain(folder, feeds), expected)


UNARY = ("Relu", "Neg", "Sin", "Abs", "Identity")
BINARY = ("Add", "Mul", "Sub", "Max")


@st.composite
def random_models(draw):
    """Draw a graph of up to 14 operators on tensors of one shape, and flags made of them."""
    weights = {f"w{n}": np.full(4, n + 1, np.float32) for n in range(draw(st.integers(1, 2)))}
    inputs = [f"x{n}" for n in range(draw(st.integers(1, 3)))]
    floats, flags, nodes = [*weights, *inputs], [], []
    for n in range(draw(st.integers(2, 14))):
        pick = st.sampled_from(floats)
        kind = draw(st.sampled_from(["unary", "binary", "compare", "where", "constant"]))
        if kind == "where" and flags:
            made = ("Where", [draw(st.sampled_from(flags)), draw(pick), draw(pick)])
        elif kind == "compare":
            nodes.append(helper.make_node("Greater", [draw(pick), draw(pick)], [f"flag{n}"]))
            flags.append(f"flag{n}")
            continue
        elif kind == "constant":
            tensor = numpy_helper.from_array(np.full(4, n, np.float32))
            nodes.append(helper.make_node("Constant", [], [f"t{n}"], value=tensor))
            floats.append(f"t{n}")
            continue
        elif kind == "unary":
            made = (draw(st.sampled_from(UNARY)), [draw(pick)])
        else:
            made = (draw(st.sampled_from(BINARY)), [draw(pick), draw(pick)])
        nodes.append(helper.make_node(*made, [f"t{n}"]))
        floats.append(f"t{n}")
    made = [name for node in nodes for name in node.output]
    outputs = draw(st.lists(st.sampled_from(made), min_size=1, max_size=3, unique=True))
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, 1, [4]) for name in inputs],
        [helper.make_tensor_value_info(name, 9 if "flag" in name else 1, [4]) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(random_models(), st.integers(1, 5))
def test_random_graphs_can_be_cut(saved, write_segments, run_whole, run_chain, model, stages):
    """Whatever is connected with whatever: bit by bit the whole model's outputs."""
    path = saved(model)
    feeds, expected = run_whole(path)
    try:
        _, folder = write_segments(path, CutRequest(stages=stages))
    except NoCutError as error:
        if not error.largest:  # all outputs are constant: there is nothing to run
            return
        _, folder = write_segments(path, CutRequest(stages=error.largest))

    assert_same(run_chain(folder, feeds), expected)
