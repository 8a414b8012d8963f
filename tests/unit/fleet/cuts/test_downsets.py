"""The downsets of one block, against all subsets."""

import pytest
from hypothesis import given

from fleet.cuts import blocks as cut_blocks
from fleet.cuts import downsets as cut_downsets
from tests.unit.fleet.cuts.cut_cases import case, cases, downsets, members

MANY = 10**6


@given(cases())
def test_all_downsets_are_found_with_what_crosses(graph):
    """Each once, none else."""
    ids = [operator.ids[0] for operator in graph.operators]
    every = downsets(graph)
    found = [frozenset()]
    for block in cut_blocks.blocks(graph.graph):
        chains = cut_downsets.all_downsets(block, MANY, MANY)
        first = block.operators.start
        for number in chains.numbers.tolist():
            inside = {ids[first + operator] for operator in members(chains, number)}
            found.append(frozenset(ids[:first]) | inside)
            assert chains.frontiers[number] == every[found[-1]]

    assert len(found) == len(every)
    assert set(found) == set(every)


@given(cases())
def test_chains_say_which_sets_hold_which(graph):
    """Along a chain sets grow, and of each chain a set holds as many as it says."""
    for block in cut_blocks.blocks(graph.graph):
        chains = cut_downsets.all_downsets(block, MANY, MANY)
        sets = [members(chains, number) for number in chains.numbers.tolist()]
        for chain, first in enumerate(chains.firsts[:-1]):
            along = sets[first : chains.firsts[chain + 1]]
            for row, held in enumerate(sets):
                below = chains.below[row, chain]
                assert [other < held for other in along] == [
                    place < below for place in range(len(along))
                ]


def grid():
    """Return a block of two branches, three operators and two."""
    made = case(
        [("x", "s"), ("s", "a"), ("a", "b"), ("b", "c"), ("s", "p"), ("p", "q"), ("c q", "y")], "y"
    )
    return cut_blocks.blocks(made.graph)[1]


def test_branches_side_by_side_are_a_grid():
    """Four states times three, less the beginning; as many chains as the shorter has states."""
    chains = cut_downsets.all_downsets(grid(), MANY, MANY)

    assert len(chains.numbers) == 11
    assert len(chains.firsts) - 1 == 3
    assert chains.relations == 11 * 3


@pytest.mark.parametrize(
    ("downsets_allowed", "relations", "found"),
    [(11, 33, True), (10, 33, False), (11, 32, False)],
)
def test_beyond_a_limit_there_are_none(downsets_allowed, relations, found):
    """Some of the downsets would be no answer."""
    assert (cut_downsets.all_downsets(grid(), downsets_allowed, relations) is not None) is found


def test_a_wide_block_is_given_up_soon():
    """Of the many sets of one size, no more are made than are allowed, and one operator's."""
    star = case(
        [("x", "s"), *(("s", f"t{n}") for n in range(300))], " ".join(f"t{n}" for n in range(300))
    )
    block = cut_blocks.blocks(star.graph)[1]

    assert cut_downsets.all_downsets(block, 1000, MANY) is None
