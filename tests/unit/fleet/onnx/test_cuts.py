"""Cuts where the user says, and what is refused."""

import pytest
from onnx import helper

from fleet.errors import BadRequestError, InvalidCutError, NoCutError, UnknownTensorError
from fleet.formats import CutRequest
from fleet.model_graph import cuts as onnx_cuts
from fleet.onnx import graph as onnx_graph
from fleet.onnx import shapes as onnx_shapes

SIZES = {
    "skips": {"x": (1, 3, 6, 6)},
    "early_and_late": {"x": (6, 8), "late": (6, 8), "unread": (6,)},
    "constants": {"x": (6, 8)},
    "types": {"bytes": (6, 2, 4), "flag": ()},
}


@pytest.fixture
def plan(make_model):
    """Plan cuts of a model by its kind."""

    def planned(kind, **request):
        model = make_model(kind)
        graph = onnx_graph.read(model.graph, f"{kind}.onnx")
        facts = onnx_shapes.infer(model, SIZES[kind])
        return onnx_cuts.plan(graph, facts, CutRequest(**request), f"{kind}.onnx")

    return planned


def test_a_cut_is_what_the_tensor_depends_on(plan):
    """Other tensors that are alive there cross as well."""
    found = plan("skips", at=("d",))

    assert found.crossings == (("b", "d"),)
    assert [face.inputs for face in found.interfaces] == [("x",), ("b", "d")]


def test_several_tensors_make_one_cut(plan):
    """Joined by a plus sign: everything that any of them depends on."""
    found = plan("early_and_late", at=("early+a", "c"))

    assert found.crossings == (("late", "early", "a"), ("late", "early", "c"))
    assert len(found.segments) == 3


def test_a_plus_sign_may_be_part_of_a_name(make_model):
    """A tensor that is called so is taken before its parts are."""
    model = make_model("early_and_late")
    model.graph.node[1].output[0] = model.graph.node[2].input[0] = "early+a"
    graph = onnx_graph.read(model.graph, "m")
    facts = onnx_shapes.infer(model, SIZES["early_and_late"])

    found = onnx_cuts.plan(graph, facts, CutRequest(at=("early+a",)), "m")

    assert found.crossings == (("late", "early", "early+a"),)


def test_costs_add_up_to_the_models(plan):
    """However it is cut, the work is the same."""
    assert sum(plan("skips", stages=3).costs) == sum(plan("skips", stages=1).costs)


def test_the_slowest_segment_decides(plan):
    """Three convolutions of one size and a larger last one: the cut is where both sides balance."""
    found = plan("skips", stages=2)

    assert max(found.costs) < 0.6 * sum(found.costs)


@pytest.mark.parametrize(
    ("at", "error", "problem"),
    [
        (("erly",), UnknownTensorError, r"no such tensor \(nearest: early\)"),
        (("zzz",), UnknownTensorError, "no such tensor; correct the name"),
        (("early+zzz",), UnknownTensorError, "zzz"),
        (("x",), InvalidCutError, "nothing is computed before it"),
        (("early", "early"), InvalidCutError, "since the cut before"),
        (("b", "a"), InvalidCutError, "since the cut before"),
        (("y",), InvalidCutError, "nothing is left"),
    ],
)
def test_a_cut_that_is_none_is_refused_by_name(plan, at, error, problem):
    """The message names the tensor and says why."""
    with pytest.raises(error, match=problem):
        plan("early_and_late", at=at)


def test_a_weight_is_no_cut(plan):
    """What depends on weights alone is in every segment that uses it."""
    with pytest.raises(InvalidCutError, match="w2"):
        plan("constants", at=("w2",))


def test_too_many_stages_say_how_many_there_could_be(plan):
    """The largest possible count is in the message, and it is possible."""
    with pytest.raises(NoCutError) as refused:
        plan("early_and_late", stages=9)

    assert refused.value.largest == 5
    assert len(plan("early_and_late", stages=5).segments) == 5
    assert str(refused.value) == (
        "early_and_late.onnx: no cut into 9 segments (largest possible: 5, since only 5 operators"
        " depend on inputs); ask for at most 5 stages"
    )


def test_stages_and_cuts_must_agree(plan):
    """Two cuts make three segments and no other number."""
    assert len(plan("early_and_late", at=("early", "a"), stages=3).segments) == 3
    with pytest.raises(BadRequestError, match="--at makes 3 segments"):
        plan("early_and_late", at=("early", "a"), stages=2)


@pytest.mark.parametrize("stages", [0, -1])
def test_there_is_at_least_one_segment(plan, stages):
    """Fewer is the user's mistake."""
    with pytest.raises(BadRequestError, match="at least 1"):
        plan("skips", stages=stages)


def sequences():
    """A graph in the middle of which a sequence, not a tensor, is alive."""
    node = helper.make_node
    graph = helper.make_graph(
        [
            node("Relu", ["x"], ["a"]),
            node("SequenceConstruct", ["a", "a"], ["many"]),
            node("Relu", ["a"], ["b"]),
            node("ConcatFromSequence", ["many"], ["c"], axis=0),
            node("Concat", ["c", "b"], ["y"], axis=0),
        ],
        "g",
        [helper.make_tensor_value_info("x", 1, [2])],
        [helper.make_tensor_value_info("y", 1, None)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def test_what_is_no_tensor_cannot_cross():
    """Such a cut is refused by name, and never chosen."""
    model = sequences()
    graph = onnx_graph.read(model.graph, "m")
    facts = onnx_shapes.infer(model, {"x": (2,)})

    with pytest.raises(InvalidCutError, match=r"\['many'\]"):
        onnx_cuts.plan(graph, facts, CutRequest(at=("many",)), "m")
    assert onnx_cuts.plan(graph, facts, CutRequest(stages=2), "m").crossing_tensors == ("a",)
    with pytest.raises(NoCutError, match=r"a tensor that cannot travel crosses \('many', 'c'\)"):
        onnx_cuts.plan(graph, facts, CutRequest(stages=9), "m")


def test_more_than_a_frame_holds_cannot_cross():
    """Too many tensors for one frame are refused with the numbers."""
    node = helper.make_node
    count = onnx_cuts.MAX_TENSORS + 1
    names = [f"t{n}" for n in range(count)]
    nodes = [node("Relu", ["x"], [name]) for name in names]
    nodes.append(node("Concat", names, ["y"], axis=0))
    values = [helper.make_tensor_value_info(name, 1, [2]) for name in ("x", "y")]
    model = helper.make_model(helper.make_graph(nodes, "g", values[:1], values[1:]))
    graph = onnx_graph.read(model.graph, "m")
    facts = onnx_shapes.infer(model, {"x": (2,)})

    with pytest.raises(InvalidCutError, match=f"{count} tensors"):
        onnx_cuts.plan(graph, facts, CutRequest(at=("+".join(names),)), "m")


def planned(nodes, outputs, request, initializers=()):
    """Plan the cuts of a graph with one input, x, of two numbers."""
    values = [helper.make_tensor_value_info(name, 1, [2]) for name in ("x", *outputs)]
    made = helper.make_graph(nodes, "g", values[:1], values[1:], list(initializers))
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)])
    graph = onnx_graph.read(model.graph, "m")
    return graph, onnx_cuts.plan(graph, onnx_shapes.infer(model, {"x": (2,)}), request, "m")


def test_a_file_that_lists_branches_in_turn_is_cut_between_them():
    """Narrow cuts are a matter of the graph: one branch whole, then the other."""
    node = helper.make_node
    chains = [[node("Relu", [f"{b}{n}"], [f"{b}{n + 1}"]) for n in range(8)] for b in "ab"]
    nodes = [node("Split", ["x"], ["a0", "b0"], axis=0)]
    nodes += [one for pair in zip(*chains, strict=True) for one in pair]
    nodes.append(node("Concat", ["a8", "b8"], ["y"], axis=0))

    graph, found = planned(nodes, ["y"], CutRequest(stages=2))
    first = [graph.operators[index].node.output[0] for index in sorted(found.segments[0])]

    assert len(found.crossings[0]) == 2
    assert first in (
        ["a0", *(f"a{n}" for n in range(1, 9))],
        ["a0", *(f"b{n}" for n in range(1, 9))],
    )
    assert found.cut_space == "downsets"
    assert found.notes == ()


def test_named_cuts_are_not_searched(plan):
    """The manifest will say that the user named them."""
    assert plan("skips", at=("d",)).cut_space == "named"


@pytest.mark.parametrize("stages", [1, 2])
def test_nothing_that_depends_on_an_input_is_nothing_to_cut(stages):
    """The message does not ask for 0 stages, which nobody can have."""
    weights = [helper.make_tensor("w", 1, [2], [1, 2])]
    nodes = [helper.make_node("Neg", ["w"], ["y"])]

    with pytest.raises(NoCutError, match="no operator depends on an input") as refused:
        planned(nodes, ["y"], CutRequest(stages=stages), weights)

    assert refused.value.largest == 0
    assert "stages" not in str(refused.value)


def test_a_single_operator_is_one_segment():
    """It can be asked for, and is told."""
    nodes = [helper.make_node("Neg", ["x"], ["y"])]

    assert len(planned(nodes, ["y"], CutRequest())[1].segments) == 1
    with pytest.raises(NoCutError, match=r"only 1 operator depends on inputs\); ask for 1 stage$"):
        planned(nodes, ["y"], CutRequest(stages=2))
