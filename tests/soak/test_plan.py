"""The soak's sequence of faults."""

import itertools

import pytest

from scripts.soaking import plan
from scripts.soaking.faults import Faults


def sequence(seed, count=200, **options):
    """Return the first faults of a seed."""
    return list(itertools.islice(plan.faults(seed, **options), count))


def test_a_seed_repeats_the_sequence():
    """The same seed gives the same faults, another one others."""
    assert sequence(7) == sequence(7)
    assert sequence(7) != sequence(8)


@pytest.mark.parametrize("seed", range(5))
def test_every_kind_comes_in_each_round(seed):
    """No soak of a round's length leaves a kind of fault out."""
    kinds = sorted(kind.name for kind in plan.KINDS)
    came = [fault.kind.name for fault in sequence(seed, 5 * len(kinds))]

    for begin in range(0, len(came), len(kinds)):
        assert sorted(came[begin : begin + len(kinds)]) == kinds


@pytest.mark.parametrize("seed", range(5))
def test_two_in_a_row_never_hit_the_same_worker(seed):
    """An assignment that loses three workers within a minute is rightly given up."""
    hits = [(fault.device, fault.pipeline) for fault in sequence(seed) if fault.device]

    assert not [pair for pair in itertools.pairwise(hits) if pair[0] == pair[1]]


def test_the_calm_pipeline_is_never_hit():
    """Its workers and their agent live as long as the soak, so what grows is seen."""
    faults = sequence(3, 500)

    assert plan.CALM not in {fault.pipeline for fault in faults}
    ended = {"agent killed", "segment corrupted", "disk full"}
    assert plan.SPARED not in {fault.device for fault in faults if fault.kind.name in ended}


def test_what_cannot_be_done_here_is_left_out():
    """The rest of the sequence is the same."""
    without = sequence(4, 50, without=frozenset({"disk full"}))
    kinds = [fault.kind.name for fault in sequence(4, 60) if fault.kind.name != "disk full"]

    assert [fault.kind.name for fault in without] == kinds[:50]


def test_nothing_left_is_an_end():
    """A soak without faults shows what the site writes and how it grows undisturbed."""
    assert sequence(1, without=frozenset(kind.name for kind in plan.KINDS)) == []


def test_every_kind_has_a_way_to_be_done():
    """A kind that is added to the plan is added to the faults too."""
    ways = Faults(site=None, stopping=None)._ways

    assert set(ways) == {kind.name for kind in plan.KINDS}
