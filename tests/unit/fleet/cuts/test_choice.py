"""The choice of cuts, against trying them all."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.cuts import choice as cut_choice
from fleet.cuts import places as cut_places
from fleet.cuts.places import LIMITS
from tests.unit.fleet.cuts.cut_cases import (
    ORDERS_ONLY,
    best,
    case,
    cases,
    longest,
    near,
    objective,
    places_of,
    valid,
)

SECONDS = st.floats(0, 1e-3, allow_subnormal=False)


@given(cases(), st.integers(1, 4))
def test_no_other_choice_is_better(graph, segments):
    """Of all chains within 5 % of the fastest, none is leaner, nor as lean and faster."""
    choice = cut_choice.choose(cut_places.find(graph.graph), graph.costs, segments)

    assert objective(choice) == near(best(graph, valid(graph), segments))


@given(cases(costs=SECONDS), st.integers(1, 4))
def test_measured_seconds_balance_as_well_as_counts(graph, segments):
    """Costs may be any numbers, however small."""
    choice = cut_choice.choose(cut_places.find(graph.graph), graph.costs, segments)

    assert objective(choice) == near(best(graph, valid(graph), segments))


@given(cases(), st.integers(1, 4))
def test_orders_are_searched_together(graph, segments):
    """Where orders stand for downsets, a choice is valid, and the best of all their positions."""
    space = cut_places.find(graph.graph, ORDERS_ONLY)
    places = places_of(space)
    choice = cut_choice.choose(space, graph.costs, segments)

    assert places.items() <= valid(graph).items()
    assert objective(choice) == near(best(graph, places, segments))


@given(cases(), st.integers(1, 4), st.sampled_from([LIMITS, ORDERS_ONLY]))
def test_segments_share_out_the_operators(graph, segments, limits):
    """Each operator is in one segment, each segment has one, and costs and bytes are theirs."""
    space = cut_places.find(graph.graph, limits)
    choice = cut_choice.choose(space, graph.costs, segments)
    if choice is None:
        return
    found = cut_choice.segments_of(space, choice)
    done = [frozenset().union(*found[:count]) for count in range(1, segments)]
    places = valid(graph)

    assert len(found) == segments
    assert all(found)
    assert sorted(number for inside in found for number in inside) == sorted(graph.ids)
    assert choice.crossing_bytes == sum(places[held][0] for held in done)
    assert choice.crossing_tensors == sum(places[held][1] for held in done)
    assert choice.slowest_cost == max(sum(graph.costs[i] for i in inside) for inside in found)


@given(cases(), st.sampled_from([LIMITS, ORDERS_ONLY]))
def test_the_largest_count_can_be_had_and_no_larger(graph, limits):
    """What the error tells the user is true."""
    space = cut_places.find(graph.graph, limits)
    most = cut_choice.largest(space)

    assert most == longest(graph, places_of(space))
    assert cut_choice.choose(space, graph.costs, most) is not None
    assert cut_choice.choose(space, graph.costs, most + 1) is None


@given(cases(), st.data(), st.integers(1, 4))
def test_the_listing_of_the_operators_does_not_matter(graph, data, segments):
    """Any other topological order of the same graph leads to choices as good."""
    other = graph.listed(data.draw(st.permutations(range(len(graph.operators)))))
    spaces = [cut_places.find(listing.graph) for listing in (graph, other)]
    choices = [cut_choice.choose(space, graph.costs, segments) for space in spaces]

    assert [space.cut_space for space in spaces] == ["downsets", "downsets"]
    assert objective(choices[0]) == near(objective(choices[1]))


def branches():
    """Return two branches of three operators, joined and followed by two, one after the other."""
    return case(
        [
            ("x", "s"), ("s", "a1"), ("a1", "a2"), ("a2", "a3"), ("s", "b1"), ("b1", "b2"),
            ("b2", "b3"), ("a3 b3", "j"), ("j", "y"),
        ],
        "y", costs=[1, 2, 2, 2, 2, 2, 2, 1, 1], a1=7, a2=9, b1=8, b2=9, a3=3, b3=2, s=2, j=4,
    )  # fmt: skip


@pytest.mark.parametrize("limits", [LIMITS, ORDERS_ONLY])
@pytest.mark.parametrize("segments", [2, 3, 4])
def test_branches_listed_in_turn_are_cut_between_and_behind(limits, segments):
    """A file may list two branches alternately; the narrow cuts are found as if it did not."""
    listed = branches()
    in_turn = listed.listed([0, 1, 3, 5, 2, 4, 6, 7, 8])
    found = [
        cut_choice.segments_of(space, cut_choice.choose(space, listed.costs, segments))
        for space in (cut_places.find(graph.graph, limits) for graph in (listed, in_turn))
    ]
    listing = [operator.writes[0] for operator in in_turn.operators[1:7]]

    assert listing == ["a1", "b1", "a2", "b2", "a3", "b3"]
    assert found[0] == found[1]


def test_a_cut_lies_between_two_branches():
    """Where one has ended and the other has not begun, whatever the file's order is."""
    graph = branches().listed([0, 1, 3, 5, 2, 4, 6, 7, 8])
    space = cut_places.find(graph.graph)
    choice = cut_choice.choose(space, graph.costs, 2)

    assert cut_choice.segments_of(space, choice) == [{0, 4, 5, 6}, {1, 2, 3, 7, 8}]
    assert (choice.crossing_bytes, choice.crossing_tensors) == (4, 2)


def test_one_space_serves_many_costs():
    """Balance by other costs needs no other space, and leaves no trace in it."""
    graph = case([("x", "a"), ("a", "b"), ("b", "c"), ("c", "y")], "y")
    space = cut_places.find(graph.graph)
    first = cut_choice.choose(space, graph.costs, 2)
    head_heavy = cut_choice.choose(space, {0: 0.3, 1: 0.1, 2: 0.1, 3: 0.1}, 2)

    assert cut_choice.segments_of(space, first) == [{0, 1}, {2, 3}]
    assert cut_choice.segments_of(space, head_heavy) == [{0}, {1, 2, 3}]
    assert head_heavy.slowest_cost == pytest.approx(0.3)
    assert cut_choice.choose(space, graph.costs, 2) == first


def test_five_percent_slower_is_worth_fewer_bytes_and_no_more():
    """The bound is what the best choice takes, and exactly 5 % more is within it."""
    graph = case([("x", "a"), ("a", "b"), ("b", "y")], "y", costs=[20, 1, 20], a=9, b=8)
    space = cut_places.find(graph.graph)
    within = cut_choice.choose(space, {0: 20, 1: 1, 2: 20}, 2)
    faster = cut_choice.choose(space, {0: 20, 1: 1, 2: 18}, 2)
    beyond = cut_choice.choose(space, {0: 20, 1: 2, 2: 18}, 2)

    assert [choice.crossing_bytes for choice in (within, faster, beyond)] == [8, 8, 9]


def test_of_equal_cuts_the_faster_is_taken():
    """Bytes and tensors alike, within 5 %: then the slowest segment decides again."""
    graph = case([("x", "a"), ("a", "b"), ("b", "y")], "y")
    choice = cut_choice.choose(cut_places.find(graph.graph), {0: 50, 1: 1, 2: 50.5}, 2)

    assert choice.slowest_cost == 51


def test_operators_that_cost_nothing_still_count():
    """A segment has at least one operator: sets decide, not costs."""
    graph = case([("x", "a"), ("a", "b"), ("b", "y")], "y", costs=[0, 0, 0])
    space = cut_places.find(graph.graph)

    assert len(cut_choice.segments_of(space, cut_choice.choose(space, graph.costs, 3))) == 3
    assert cut_choice.choose(space, graph.costs, 4) is None


def test_a_graph_without_operators_has_no_segments():
    """Nothing to compute is nothing to cut."""
    space = cut_places.find(case([], "").graph)

    assert cut_choice.largest(space) == 0
    assert cut_choice.choose(space, {}, 1) is None
    assert cut_choice.choose(space, {}, 0) is None


@pytest.mark.parametrize("cost", [-1.0, float("nan"), float("inf")])
def test_costs_that_are_none_are_refused(cost):
    """A mistake of the caller's, not a choice."""
    space = cut_places.find(case([("x", "a"), ("a", "y")], "y").graph)

    with pytest.raises(ValueError, match="finite and not negative"):
        cut_choice.choose(space, {0: 1.0, 1: cost}, 1)


def test_no_more_segments_than_can_be_handled():
    """A limit of our own is in the answer to how many there can be."""
    count = cut_choice.MAX_SEGMENTS + 5
    names = ["x", *(f"t{n}" for n in range(count))]
    graph = case(list(itertools.pairwise(names)), names[-1])
    space = cut_places.find(graph.graph)

    assert cut_choice.largest(space) == cut_choice.MAX_SEGMENTS
    assert cut_choice.choose(space, graph.costs, cut_choice.MAX_SEGMENTS + 1) is None
