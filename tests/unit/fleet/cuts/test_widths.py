"""What crosses along an order, and the narrowest places on the way."""

from itertools import pairwise

from hypothesis import given

from fleet.cuts import places as cut_places
from fleet.cuts import widths
from tests.unit.fleet.cuts.cut_cases import case, cases, downsets


@given(cases())
def test_the_width_before_each_operator_is_that_of_the_downset_there(graph):
    """At both ends too: all inputs that are needed, and all outputs."""
    along = widths.along(graph.graph)

    numbers = [operator.ids[0] for operator in graph.operators]
    expected = [downsets(graph)[frozenset(numbers[:end])] for end in range(len(numbers) + 1)]
    assert [tuple(frontier) for frontier in along] == expected


@given(cases())
def test_narrow_places_form_a_chain(graph):
    """Each holds all operators of the one before it, so all can be drawn along one order."""
    space = cut_places.find(graph.graph)
    chosen = [space.before(place) for place in widths.narrowest(space, space.spent(graph.costs))]

    assert all(before < after for before, after in pairwise(chosen))
    assert all(frozenset() < held < graph.ids for held in chosen)


def test_in_each_part_of_the_way_the_narrowest_place_is_taken():
    """Of equally narrow ones, that in the middle of the part."""
    names = ["in", *"abcdefgh"]
    chain = case(list(pairwise(names)), "h", f=9)
    space = cut_places.find(chain.graph)
    chosen = widths.narrowest(space, space.spent(chain.costs), most=2)

    assert [sorted(space.before(place)) for place in chosen] == [[0, 1], [0, 1, 2, 3, 4]]


def test_a_place_with_nothing_on_one_side_is_no_sensible_one():
    """A cut behind operators that cost nothing shares no work."""
    chain = case([("in", "a"), ("a", "b"), ("b", "c"), ("c", "d")], "d", [0, 5, 5, 0], b=9)
    space = cut_places.find(chain.graph)
    chosen = widths.narrowest(space, space.spent(chain.costs))

    assert [sorted(space.before(place)) for place in chosen] == [[0, 1]]


def test_where_nothing_else_is_an_end_may_be_near():
    """A cut is shown rather than none."""
    chain = case([("in", "a"), ("a", "b")], "b", [0, 5])
    space = cut_places.find(chain.graph)

    assert len(widths.narrowest(space, space.spent(chain.costs))) == 1


def test_an_order_is_changed_only_as_far_as_downsets_ask_for_it():
    """Operators of a downset come first; all else stays in the file's order."""
    downsets = [frozenset({2, 7}), frozenset({2, 4, 7, 9})]

    assert widths.in_order([2, 4, 7, 8, 9], downsets) == [2, 7, 4, 9, 8]
    assert widths.in_order([3, 1, 2], []) == [3, 1, 2]
