"""Cuts whose segments fit some memory, against trying them all."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from fleet.cuts import choice as cut_choice
from fleet.cuts import places as cut_places
from fleet.cuts.bounded import Bound
from tests.unit.fleet.cuts.cut_cases import _chains, case, cases, valid

WEIGHTS = st.lists(st.integers(0, 9), min_size=9, max_size=9)


def heaviest(segments, weights):
    """Return the largest segment's weights."""
    return max(sum(weights[index] for index in inside) for inside in segments)


def lightest(graph, weights, stages):
    """Return what the largest segment of any chain has at least; None: there is no chain."""
    found = [
        heaviest([after - before for before, after in pairwise([frozenset(), *chain, graph.ids])],
                 weights)
        for chain in _chains(sorted(valid(graph), key=len), stages - 1)
    ]  # fmt: skip
    return min(found, default=None)


@given(cases(), WEIGHTS, st.integers(6, 20))
def test_the_least_number_of_segments_that_fit(graph, sizes, most):
    """No smaller number fits; where none does, nothing is nearer to it."""
    weights = {
        number: min(size, most) for number, size in zip(sorted(graph.ids), sizes, strict=False)
    }
    bound = Bound(weights, most)
    space = cut_places.find(graph.graph)
    by_stages = {
        stages: light
        for stages in range(1, cut_choice.largest(space) + 1)
        if (light := lightest(graph, weights, stages)) is not None
    }

    stages = bound.least_stages(space)

    fitting = [count for count, light in by_stages.items() if light <= most]
    if fitting:
        assert stages == min(fitting)
    else:
        assert by_stages[stages] == min(by_stages.values())


@given(cases(), WEIGHTS, st.integers(6, 20), st.integers(1, 4))
def test_segments_fit_whatever_is_made_equal(graph, sizes, most, stages):
    """If they can; else the largest is as small as can be."""
    weights = dict(zip(sorted(graph.ids), sizes, strict=False))
    counted = {number: min(size, most) for number, size in weights.items()}
    space = cut_places.find(graph.graph)

    choice = Bound(weights, most).choose(space, graph.costs, stages)

    light = lightest(graph, counted, stages)
    assert (choice is None) == (light is None)
    if choice is not None:
        assert heaviest(cut_choice.segments_of(space, choice), counted) <= max(most, light)


def test_costs_are_made_equal_within_the_bound():
    """Two cuts fit; the one that shares the work better is taken."""
    graph = case([("x", "a"), ("a", "b"), ("b", "c")], "c", costs=[10, 1, 11])
    space = cut_places.find(graph.graph)

    choice = Bound({0: 2, 1: 3, 2: 2}, most=5).choose(space, graph.costs, 2)

    assert cut_choice.segments_of(space, choice) == [frozenset({0, 1}), frozenset({2})]
    tight = Bound({0: 4, 1: 3, 2: 2}, most=5).choose(space, graph.costs, 2)
    assert cut_choice.segments_of(space, tight) == [frozenset({0}), frozenset({1, 2})]


def test_an_operator_that_is_too_large_alone_keeps_no_other_from_fitting():
    """It gets a segment to itself."""
    graph = case([("x", "a"), ("a", "b"), ("b", "c")], "c")
    space = cut_places.find(graph.graph)
    bound = Bound({0: 3, 1: 90, 2: 3}, most=5)

    stages = bound.least_stages(space)

    choice = bound.choose(space, graph.costs, stages)
    assert cut_choice.segments_of(space, choice) == [frozenset({0}), frozenset({1}), frozenset({2})]
