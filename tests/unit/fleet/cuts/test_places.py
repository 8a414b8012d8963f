"""Which places are searched, and what is said of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.cuts import choice as cut_choice
from fleet.cuts import graph as cut_graph
from fleet.cuts import places as cut_places
from fleet.cuts.graph import MAX_BYTES, MAX_TENSORS, Tensor
from fleet.cuts.places import Limits
from tests.unit.fleet.cuts.cut_cases import (
    ORDERS_ONLY,
    best,
    case,
    cases,
    downsets,
    near,
    objective,
    places_of,
    valid,
)

FEW = Limits(
    in_block=4, in_all=12, per_operator=1, given_up=30, relations=40, relations_per_operator=2
)


@given(cases())
def test_the_places_are_all_valid_downsets(graph):
    """With what crosses at each; those at both ends apart."""
    space = cut_places.find(graph.graph)

    assert space.cut_space == "downsets"
    assert space.notes == ()
    assert space.downsets == len(downsets(graph)) - 1
    assert len(space.places) == len(valid(graph)) + (2 if graph.ids else 1)
    assert places_of(space) == valid(graph)
    assert space.before(space.end) == graph.ids


@given(cases(), st.integers(1, 4))
def test_with_few_downsets_allowed_choices_are_valid_and_the_best_of_what_is_searched(
    graph, segments
):
    """Some blocks by downsets, some by orders, some joined: all are searched together."""
    space = cut_places.find(graph.graph, FEW)
    places = places_of(space)

    assert places.items() <= valid(graph).items()
    assert objective(cut_choice.choose(space, graph.costs, segments)) == near(
        best(graph, places, segments)
    )
    assert (space.notes == ()) == (space.cut_space == "downsets")


@given(cases(), st.data())
def test_what_is_searched_by_downsets_does_not_depend_on_the_listing(graph, data):
    """The graph decides which blocks are enumerated, however few downsets are allowed."""
    other = graph.listed(data.draw(st.permutations(range(len(graph.operators)))))
    spaces = [cut_places.find(listing.graph, FEW) for listing in (graph, other)]
    searched = [[(block.operators, block.complete) for block in space.blocks] for space in spaces]

    assert searched[0] == searched[1]
    assert spaces[0].joined == spaces[1].joined


def two_pairs():
    """Return two blocks of two branches each, the first larger, among single operators."""
    return case(
        [
            ("x", "s"), ("s", "c"), ("c", "d"), ("s", "e"), ("e", "f"), ("d f", "t"), ("t", "a"),
            ("t", "b"), ("a b", "y"),
        ],
        "y",
    )  # fmt: skip


@pytest.mark.parametrize(
    "limits",
    [
        Limits(in_block=3, in_all=20, per_operator=0, given_up=1),
        Limits(in_block=20, in_all=10, per_operator=0),
    ],
)
def test_the_largest_blocks_are_left_to_orders(limits):
    """Wherever they are; and people are told, as the manifest is."""
    space = cut_places.find(two_pairs().graph, limits)
    (note,) = space.notes

    assert [block.operators for block in space.blocks] == [1, 4, 1, 2, 1]
    assert [block.complete for block in space.blocks] == [True, False, True, True, True]
    assert space.cut_space == "order:file+depth_first+narrowest"
    assert note == (
        "cuts searched: 4 of 5 blocks by downsets; the largest, of 4 operators, by the orders file,"
        " depth first, narrowest"
    )


def test_a_second_look_is_taken_while_downsets_are_left():
    """A block that has too many at first may have the whole graph's."""
    limits = Limits(in_block=3, in_all=20, per_operator=0)

    assert cut_places.find(two_pairs().graph, limits).cut_space == "downsets"


def test_several_blocks_are_told_by_their_number():
    """And the size of the largest."""
    notes = cut_places.find(two_pairs().graph, ORDERS_ONLY).notes

    assert "3 of 5 blocks by downsets; the other 2, of up to 4 operators, by" in notes[0]


def cached_step():
    """Return a step whose caches are converted on their way in and out, beside three branches."""
    operators = [("x", "h0")]
    for n in range(3):
        operators += [
            (f"in{n}", f"c{n}"), (f"h{n}", f"q{n}"), (f"h{n}", f"k{n}"), (f"k{n} c{n}", f"j{n}"),
            (f"j{n}", f"out{n}"), (f"q{n} j{n}", f"h{n + 1}"),
        ]  # fmt: skip
    return case(operators, "out0 out1 out2 h3")


def test_side_branches_are_joined_where_a_block_is_too_large():
    """Then the blocks between them are small enough; what was joined is told."""
    graph = cached_step()
    space = cut_places.find(graph.graph, Limits(in_block=20, in_all=60, per_operator=0))
    whole = cut_places.find(graph.graph)

    assert (len(whole.blocks), whole.cut_space) == (1, "downsets")
    assert (len(space.blocks), space.cut_space) == (7, "downsets:side_branches_joined")
    (note,) = space.notes
    assert note == (
        "6 operators that only prepare an input or only make an output stay in one segment with a"
        " neighbour"
    )
    assert places_of(space).items() <= valid(graph).items()


def test_why_there_are_no_more_segments():
    """One reason each: what the graph is, or what would cross."""
    chain = case([("x", "a"), ("a", "b"), ("b", "y")], "y")

    def why(**tensors):
        known = chain.tensors | tensors
        graph = cut_graph.cut_graph(chain.operators, chain.inputs, chain.outputs, known)
        return cut_places.find(graph).why

    stuck, large = Tensor(0, movable=False), Tensor(MAX_BYTES + 1, movable=True)
    assert why() == "only 3 operators depend on inputs"
    assert why(a=stuck) == (
        "only 1 place can be cut: everywhere else a tensor that cannot travel crosses ('a')"
    )
    assert why(a=stuck, b=large) == (
        "no place can be cut: everywhere a tensor that cannot travel crosses ('a'),"
        f" or more than {MAX_BYTES >> 20} MiB cross"
    )
    assert why(y=stuck) == "only 3 operators depend on inputs"
    assert cut_places.find(case([], "").graph).why == "no operator depends on an input"
    assert cut_places.find(case([("x", "y")], "y").graph).why == (
        "only 1 operator depends on inputs"
    )


def test_too_many_tensors_are_a_reason():
    """They are counted, whatever their sizes."""
    names = [f"t{n}" for n in range(MAX_TENSORS + 1)]
    wide = case([("x", " ".join(names)), (" ".join(names), "y")], "y")

    assert cut_places.find(wide.graph).why == (
        f"no place can be cut: everywhere more than {MAX_TENSORS} tensors cross"
    )
