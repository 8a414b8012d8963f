"""The choice of cuts, against trying them all."""

from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet import cuts
from fleet.cuts import Choice, Frontier, Life, Order

FRONTIERS = st.builds(Frontier, st.integers(0, 100), st.integers(0, 4), st.booleans())
COSTS = st.lists(st.integers(0, 50), min_size=1, max_size=8)
ORDERS = COSTS.flatmap(
    lambda costs: st.lists(FRONTIERS, min_size=len(costs) + 1, max_size=len(costs) + 1).map(
        lambda frontiers: Order(tuple(costs), tuple(frontiers))
    )
)


def slowest(order, positions):
    """Return the cost of the costliest segment."""
    bounds = [0, *positions, len(order.costs)]
    return max(sum(order.costs[a:b]) for a, b in pairwise(bounds))


def every_choice(order, segments):
    """Return all valid positions of that many segments."""
    valid = [p for p in range(1, len(order.costs)) if order.frontiers[p].valid]
    return list(combinations(valid, segments - 1))


@given(ORDERS, st.integers(1, 5))
def test_no_other_choice_is_better(order, segments):
    """Among all choices within 5 % of the fastest, none sends fewer bytes, then tensors."""
    every = every_choice(order, segments)
    choice = cuts.choose(order, segments)

    if not every:
        assert choice is None
        return
    limit = min(slowest(order, positions) for positions in every) * cuts.SLACK
    sent = {
        positions: (
            sum(order.frontiers[p].size_bytes for p in positions),
            sum(order.frontiers[p].tensors for p in positions),
        )
        for positions in every
        if slowest(order, positions) <= limit * (1 + 1e-6)
    }
    assert sent[choice.positions] == min(sent.values())
    assert (choice.crossing_bytes, choice.crossing_tensors) == sent[choice.positions]
    assert choice.slowest_cost == slowest(order, choice.positions)


@given(ORDERS)
def test_the_largest_count_can_be_had_and_no_larger(order):
    """What the error tells the user is true."""
    most = cuts.largest(order)

    assert cuts.choose(order, most) is not None
    assert cuts.choose(order, most + 1) is None


def test_a_model_without_work_has_no_segments():
    """Nothing to compute is nothing to cut."""
    assert cuts.largest(Order((), (Frontier(0, 0, valid=True),))) == 0


def test_measured_seconds_balance_as_well_as_counts():
    """Costs may be any numbers."""
    free = Frontier(1, 1, valid=True)
    order = Order((0.1, 0.2, 0.3, 0.25), (free,) * 5)

    assert cuts.choose(order, 2).positions == (2,)
    assert cuts.choose(order, 2).slowest_cost == pytest.approx(0.55)


LIVES = st.lists(
    st.builds(Life, st.integers(0, 6), st.integers(0, 6), st.integers(0, 9), st.booleans()),
    max_size=8,
)


@given(LIVES)
def test_frontiers_hold_what_exists_and_is_needed(lives):
    """At each position: sizes and count of the tensors alive there, and whether all may move."""
    found = cuts.frontiers(lives, 6)

    for position, frontier in enumerate(found):
        alive = [life for life in lives if life.born <= position <= life.needed]
        assert frontier.size_bytes == sum(life.size_bytes for life in alive)
        assert frontier.tensors == len(alive)
        assert frontier.valid == all(life.movable for life in alive)


def test_what_no_frame_could_hold_may_not_cross():
    """Too many tensors or too many bytes make a position invalid."""
    many = [Life(0, 1, 1, movable=True)] * (cuts.MAX_TENSORS + 1)
    huge = [Life(0, 1, cuts.MAX_BYTES + 1, movable=True)]

    assert [f.valid for f in cuts.frontiers(many, 1)] == [False, False]
    assert [f.valid for f in cuts.frontiers(huge, 1)] == [False, False]


def test_the_best_order_is_chosen_by_the_same_rule():
    """Between two orders: fast enough first, then the one that sends less."""
    fast, lean, slow = Choice((1,), 100, 50, 2), Choice((2,), 104, 10, 1), Choice((3,), 120, 1, 1)

    assert cuts.best([fast, lean, slow]) is lean
