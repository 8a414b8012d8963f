"""Short side branches, joined with what they hang on."""

from hypothesis import given

from fleet.cuts import blocks as cut_blocks
from fleet.cuts import graph as cut_graph
from fleet.cuts import joins as cut_joins
from tests.unit.fleet.cuts.cut_cases import case, cases, downsets


def joined(graph):
    """Return the ids of the operators of a graph whose side branches are joined."""
    return cut_joins.joined(graph.graph, [range(len(graph.operators))]).ids


def test_what_only_makes_an_output_is_joined_with_what_it_reads():
    """Up to three operators in a row, several such branches of one operator too."""
    graph = case(
        [("x", "a"), ("a", "p"), ("p", "q"), ("q", "out"), ("a", "out2"), ("a", "b"), ("a b", "y")],
        "out out2 y",
    )

    assert joined(graph) == ((0, 1, 2, 3, 4), (5,), (6,))


def test_what_only_prepares_an_input_is_joined_with_its_reader():
    """The same, seen from the other end."""
    graph = case(
        [("late", "p"), ("p", "q"), ("x", "a"), ("a", "b"), ("b q", "y"), ("y b", "z")], "z"
    )

    assert joined(graph) == ((2,), (3,), (0, 1, 4), (5,))


def test_long_branches_and_the_way_through_are_left_alone():
    """A head of four operators can be a segment's worth; a chain has no side branch at all."""
    head = case(
        [("x", "a"), ("a", "p"), ("p", "q"), ("q", "r"), ("r", "out"), ("a", "b"), ("a b", "y"),
         ("y", "z"), ("y", "v"), ("v", "w"), ("w", "u"), ("u z", "last")],
        "out last",
    )  # fmt: skip
    chain = case([("x", "a"), ("a", "b"), ("b", "y")], "y")

    assert len(joined(head)) == 12
    assert cut_joins.joined(chain.graph, [range(3)]) is not None
    assert joined(chain) == ((0,), (1,), (2,))


@given(cases())
def test_downsets_of_the_joined_graph_are_downsets(graph):
    """With the same tensors crossing: joining takes places away and changes none."""
    every = downsets(graph)
    found = cut_joins.joined(graph.graph, [range(len(graph.operators))])
    ids = [set(numbers) for numbers in found.ids]

    assert sorted(number for numbers in found.ids for number in numbers) == sorted(graph.ids)
    for block in cut_blocks.blocks(found):
        held = frozenset().union(*ids[: block.operators.start])
        assert block.start == every[held]


def test_the_same_graph_comes_back_where_there_is_nothing_to_join():
    """So the caller sees that it need not look again."""
    graph = case([("x", "a"), ("a", "b"), ("a b", "y")], "y").graph

    assert cut_joins.joined(graph, [range(3)]) is graph
    assert cut_joins.joined(graph, []) is graph
    assert isinstance(graph, cut_graph.CutGraph)
