"""A graph taken apart at its series points."""

from itertools import pairwise

from hypothesis import given

from fleet.cuts import blocks as cut_blocks
from tests.unit.fleet.cuts.cut_cases import case, cases, downsets


@given(cases())
def test_series_points_are_the_downsets_that_all_others_contain_or_are_within(graph):
    """No other beginning of the order is one, and none is missed."""
    every = list(downsets(graph))
    comparable = {held for held in every if all(held <= other or other <= held for other in every)}
    ids = [operator.ids[0] for operator in graph.operators]
    found = {frozenset(ids[:length]) for length in cut_blocks.series_points(graph.graph)}

    assert found | {frozenset()} == comparable


@given(cases())
def test_blocks_add_up(graph):
    """Each operator is in one block, and so many downsets as the blocks have, the graph has."""
    found = cut_blocks.blocks(graph.graph)
    places = [index for block in found for index in block.operators]
    points = [0, *cut_blocks.series_points(graph.graph)]
    ids = [operator.ids[0] for operator in graph.operators]
    every = downsets(graph)
    within = [
        sum(set(ids[:first]) < held <= set(ids[:stop]) for held in every)
        for first, stop in pairwise(points)
    ]

    assert places == list(range(len(graph.operators)))
    assert sum(within) == len(every) - 1


@given(cases())
def test_a_block_knows_what_crosses_before_it(graph):
    """The frontier is carried on from block to block."""
    ids = [operator.ids[0] for operator in graph.operators]
    every = downsets(graph)

    for block in cut_blocks.blocks(graph.graph):
        assert block.start == every[frozenset(ids[: block.operators.start])]


def test_an_early_output_runs_beside_all_that_follows():
    """So does an input that is prepared for a late reader: there is no series point in between."""
    early = case([("x", "a"), ("a", "out"), ("a", "b"), ("b", "y")], "out y")
    late = case([("x", "a"), ("in", "p"), ("a", "b"), ("b p", "y")], "y")

    assert [block.size for block in cut_blocks.blocks(early.graph)] == [1, 3]
    assert [block.size for block in cut_blocks.blocks(late.graph)] == [3, 1]


def test_what_passes_by_does_not_bind():
    """Outputs that are read on, and inputs that are read late, leave the series points alone."""
    graph = case([("x", "a"), ("a late", "b"), ("b x", "y")], "a y")

    assert [block.size for block in cut_blocks.blocks(graph.graph)] == [1, 1, 1]
