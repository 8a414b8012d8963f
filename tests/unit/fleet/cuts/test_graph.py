"""What crosses a cut, and what may."""

from fleet.cuts.graph import INPUT, MAX_BYTES, MAX_TENSORS, Frontier, Operator, Tensor, cut_graph
from tests.unit.fleet.cuts.cut_cases import case


def test_what_no_frame_could_hold_may_not_cross():
    """Too many tensors, too many bytes, or one that cannot travel."""
    assert Frontier(MAX_BYTES, MAX_TENSORS, 0).valid
    assert not Frontier(MAX_BYTES + 1, 1, 0).valid
    assert not Frontier(1, MAX_TENSORS + 1, 0).valid
    assert not Frontier(1, 1, 1).valid


def test_only_tensors_that_are_needed_count():
    """What nobody reads and no output is, never crosses; neither do weights, that nobody makes."""
    graph = case([("x", "a unread"), ("a weight", "y")], "y").operators
    found = cut_graph(graph, ["x", "unused"], ["y"], {})

    assert [wire.name for wire in found.wires] == ["x", "a", "y"]
    assert found.before == (frozenset(), {0})
    assert found.after == ((1,), ())


def test_an_input_may_be_an_output_and_an_output_may_be_read():
    """Both are needed to the end; the first is made by nobody."""
    found = case([("x", "a"), ("a", "y")], "y a x").graph
    kept = {wire.name: (wire.maker, wire.readers) for wire in found.wires if wire.kept}

    assert kept == {"x": (INPUT, (0,)), "a": (0, (1,)), "y": (1, ())}


def test_what_is_not_known_cannot_travel():
    """A tensor without a known size or type stays where it is."""
    operators = [Operator((7,), ("x",), ("a",)), Operator((8,), ("a",), ("y",))]
    known = {"x": Tensor(4, movable=True), "y": Tensor(5, movable=False)}
    loads = [wire.load for wire in cut_graph(operators, ["x"], ["y"], known).wires]

    assert loads == [(4, 1, 0), (0, 1, 1), (5, 1, 1)]
