"""Orders that stand for the downsets of a block."""

from hypothesis import given

from fleet.cuts import blocks as cut_blocks
from fleet.cuts import graph as cut_graph
from fleet.cuts import orders as cut_orders
from fleet.cuts.graph import Tensor
from tests.unit.fleet.cuts.cut_cases import case, cases, members


def test_depth_first_starts_a_branch_when_it_is_needed():
    """The side branch comes just before its reader, so less is alive in between."""
    graph = case([("x", "side"), ("x", "b"), ("b", "c"), ("c", "d"), ("d side", "y")], "y").graph

    assert cut_orders.depth_first(graph) == [1, 2, 3, 0, 4]


@given(cases())
def test_depth_first_is_an_order(graph):
    """Each operator once, behind all that it reads from."""
    found = graph.graph

    assert_order(cut_orders.depth_first(found), found.before)


@given(cases())
def test_the_narrowest_order_leaves_the_least_alive_step_by_step(graph):
    """It is an order, and none of the operators that were ready would have left less."""
    for block in cut_blocks.blocks(graph.graph):
        order = cut_orders.narrowest(block)
        assert_order(order, block.before)
        for step, chosen in enumerate(order):
            done = set(order[:step])
            ready = [
                operator
                for operator in range(block.size)
                if operator not in done and done.issuperset(block.before[operator])
            ]
            assert change(block, done, chosen) == min(
                change(block, done, operator) for operator in ready
            )


def change(block, done, operator):
    """Return what running ``operator`` changes: what cannot travel first, then bytes."""
    found = block.changes[operator]
    for wire in block.shared:
        if operator in wire.readers and done.issuperset(set(wire.readers) - {operator}):
            found = found.minus(wire.load)
    return found.stuck, found.size_bytes, found.tensors


def assert_order(order, before):
    """Check that each comes once, and behind what it needs."""
    assert sorted(order) == list(range(len(before)))
    for place, operator in enumerate(order):
        assert set(before[operator]) <= set(order[:place])


@given(cases())
def test_positions_of_several_orders_are_one_family(graph):
    """Each set once, with what crosses, and which sets of each order it holds."""
    found = graph.graph
    depth_first = cut_orders.depth_first(found)
    for block in cut_blocks.blocks(found):
        first, stop = block.operators.start, block.operators.stop
        orders = [
            range(block.size),
            [index - first for index in depth_first[first:stop]],
            cut_orders.narrowest(block),
        ]
        chains = cut_orders.along(block, orders)
        sets = [members(chains, number) for number in chains.numbers.tolist()]
        positions = {
            frozenset(order[:length]) for order in orders for length in range(1, block.size + 1)
        }

        assert len(sets) == len(positions)
        assert set(sets) == positions
        assert members(chains, chains.whole) == frozenset(range(block.size))
        for row, held in enumerate(sets):
            for chain in range(len(orders)):
                along = sets[chains.firsts[chain] : chains.firsts[chain + 1]]
                below = chains.below[row, chain]
                assert [other < held for other in along] == [
                    place < below for place in range(len(along))
                ]


def test_what_cannot_travel_is_made_as_late_and_used_as_soon_as_can_be():
    """The narrowest order keeps few positions from being cuts."""
    made = case([("x", "s"), ("s", "q"), ("s", "a"), ("a", "b"), ("q b", "y")], "y", q=0, a=9, b=9)
    tensors = made.tensors | {"q": Tensor(0, movable=False)}
    graph = cut_graph.cut_graph(made.operators, made.inputs, made.outputs, tensors)

    assert cut_orders.narrowest(cut_blocks.blocks(graph)[1]) == [1, 2, 0]
