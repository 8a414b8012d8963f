"""The judge of the random graphs, judged: small models whose cuts can be counted by hand."""

import itertools

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from tests.generated import legal_cuts
from tests.generated.legal_cuts import Moving
from tests.generated.single_nodes import session
from tests.generated.written_out import written_out

node = helper.make_node
STRING, F = TensorProto.STRING, TensorProto.FLOAT


def model(nodes, outputs, inputs=("x",)):
    """Return a model of float tensors of four elements."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, F, [4]) for name in inputs],
        [helper.make_tensor_value_info(name, F, None) for name in outputs],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def text(source, target):
    """Return two operators with a tensor of strings between them, which does not travel."""
    return [
        node("Cast", [source], [f"{target}_text"], to=STRING),
        node("Cast", [f"{target}_text"], [target], to=F),
    ]


BRANCHES = [*text("x", "a"), *text("x", "b"), node("Add", ["a", "b"], ["y"])]
BODY = helper.make_graph(
    [node("Add", ["a", "a"], ["inner"])], "b", [], [helper.make_tensor_value_info("inner", F, None)]
)
CASES = {
    "chain": ([node("Relu", ["x"], ["a"]), node("Neg", ["a"], ["y"])], ["y"], 2),
    "nothing to compute": ([], ["x"], 0),
    "weights alone": ([node("Constant", [], ["w"], value_float=1.0)], ["w"], 1),
    "dead operator": ([node("Relu", ["x"], ["a"]), node("Neg", ["x"], ["y"])], ["y"], 1),
    "stuck": (text("x", "y"), ["y"], 1),
    "branches": (BRANCHES, ["y"], 3),
    "alternating branches": ([BRANCHES[i] for i in (0, 2, 1, 3, 4)], ["y"], 3),
    "read late": (
        [
            *text("x", "a"),
            node("Neg", ["a"], ["b"]),
            node("Neg", ["b"], ["y"]),
            node("Cast", ["a_text"], ["z"], to=F),
        ],
        ["y", "z"],
        3,
    ),
    "weights": (
        [
            node("Constant", [], ["w"], value_float=1.0),
            node("Neg", ["w"], ["v"]),
            node("Add", ["x", "v"], ["y"]),
        ],
        ["y", "v"],
        1,
    ),
    "chance": (
        [node("RandomNormal", [], ["r"], shape=[4]), node("Add", ["x", "r"], ["y"])],
        ["y"],
        2,
    ),
    "captures": (
        [
            node("Relu", ["x"], ["a"]),
            node("ReduceMax", ["x"], ["m"], keepdims=0),
            node("Cast", ["m"], ["c"], to=TensorProto.BOOL),
            node("If", ["c"], ["y"], then_branch=BODY, else_branch=BODY),
        ],
        ["y"],
        4,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_most_segments_are_those_counted_by_hand(case):
    """Types that do not travel, dead operators, weights, chance, captures: each counts."""
    nodes, outputs, most = CASES[case]

    assert most == legal_cuts.moving(model(nodes, outputs)).longest()


@pytest.mark.parametrize(("parts", "most"), [(128, 2), (129, 1)])
def test_more_tensors_than_a_frame_holds_do_not_cross(parts, most):
    """A frame holds 128."""
    names = [f"p{place}" for place in range(parts)]
    nodes = [
        node("Split", ["x"], names, axis=0, num_outputs=parts),
        node("Concat", names, ["y"], axis=0),
    ]
    made = model(nodes, ["y"])
    made.opset_import[0].version = 18
    made.graph.input[0].type.tensor_type.shape.dim[0].dim_value = parts

    assert most == legal_cuts.moving(made).longest()


@st.composite
def small_graphs(draw):
    """Return up to five operators of one output each, of which some do not travel."""
    count = draw(st.integers(1, 5))
    names = [f"t{place}" for place in range(count)]
    reads = [draw(st.sets(st.sampled_from(["x", *names[:place]]))) for place in range(count)]
    return Moving(
        reads=tuple(map(frozenset, reads)),
        writes=tuple(frozenset({name}) for name in names),
        inputs=frozenset({"x"}),
        outputs=frozenset(names[-1:]),
        travelling=frozenset({"x", names[-1], *draw(st.sets(st.sampled_from(names)))}),
    )


@given(small_graphs())
def test_the_most_segments_are_those_along_the_best_order(graph):
    """Of all orders there are, each tried."""
    count = len(graph.reads)
    best = 0
    for order in itertools.permutations(range(count)):
        done = [sum(1 << index for index in order[:length]) for length in range(count)]
        if all(
            graph.before[i] & before == graph.before[i]
            for i, before in zip(order, done, strict=True)
        ):
            best = max(best, 1 + sum(map(graph.is_legal, done[1:])))

    assert best == graph.longest()


def test_functions_are_written_out_wherever_they_are_called():
    """In the graph and in bodies, one in another; what they do not read is not read any more."""
    made = onnx.parser.parse_model(
        """<ir_version: 10, opset_import: ["" : 17, "own" : 1]>
        g (float[4] x, bool c) => (float[4] y, float[4] z) {
            unread = Exp (x)
            y = own.Outer (x, unread)
            z = If (c) <then_branch = t () => (float[4] a) { a = own.Inner (x, unread) },
                        else_branch = e () => (float[4] b) { b = Abs (x) }>
        }
        <domain: "own", opset_import: ["" : 17]>
        Inner <slope: float = 0.5> (p, q) => (r) { r = LeakyRelu <alpha: float = @slope> (p) }
        <domain: "own", opset_import: ["" : 17, "own" : 1]>
        Outer (p, q) => (r) {
            i = own.Inner <slope: float = 0.25> (p, q)
            r = Neg (i)
        }"""
    )

    flat = written_out(made)

    assert legal_cuts.moving(flat).longest() == 3
    feeds = {"x": np.array([1, -1, 2, -2], np.float32), "c": np.array(True)}
    expected, got = (session(m.SerializeToString()).run(None, feeds) for m in (made, flat))
    assert [a.tolist() for a in expected] == [a.tolist() for a in got]
