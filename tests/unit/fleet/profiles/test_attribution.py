"""What each operator takes of the whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.profiles import attribution
from tests.unit.fleet.profiles.records import operator, part, profile

PLAIN = [operator(0, 0.5), operator(1, 0.002), operator(2, 0.001), operator(3, 0.003)]


def seconds(made):
    """Return the shares by name."""
    return {share.name: share.seconds for share in attribution.operators(made)}


def test_shares_add_up_to_the_whole():
    """Those that were fused share what is left, as they take it alone; weights take nothing."""
    kernels = [operator(3, 0.004), operator(9, 0.006, kind="FusedConv")]
    found = seconds(profile(run=0.010, operators=PLAIN, kernels=kernels))

    assert found == pytest.approx({"a": 0.004, "b": 0.002, "y": 0.004})


def test_a_fused_kernel_belongs_to_the_operator_that_it_is_named_after():
    """The last of those in it; what nobody is named after is shared by the others, as before."""
    plain = [operator(n, 0.002) for n in range(4)]
    kernels = [operator(9, 0.006, name="b_nchwc"), operator(10, 0.004, name="Gelu_token_1")]
    shares = attribution.operators(profile(run=0.010, operators=plain, kernels=kernels))

    assert [share.seconds for share in shares] == pytest.approx([0.002, 0.006, 0.002])
    assert [share.own_kernel for share in shares] == [False, False, False]


def test_which_have_kernels_of_their_own_is_told():
    """Whoever looks for the slowest knows which figures are shares."""
    made = profile(operators=PLAIN, kernels=[operator(3, 0.004), operator(9, 0.006)])

    assert [share.own_kernel for share in attribution.operators(made)] == [False, False, True]


def test_a_profiler_that_costs_time_is_no_part_of_it():
    """Kernels that take longer together than the whole are scaled to it."""
    kernels = [operator(place, 0.010) for place in (1, 2, 3)]
    found = seconds(profile(run=0.015, operators=PLAIN, kernels=kernels))

    assert found == pytest.approx({"a": 0.005, "b": 0.005, "y": 0.005})


def test_the_spread_goes_along():
    """As a share of the median."""
    kernels = [operator(place, 0.001, spread=0.5) for place in (1, 2, 3)]
    first = attribution.operators(profile(run=0.003, operators=PLAIN, kernels=kernels))[0]

    assert (first.low_seconds, first.high_seconds) == pytest.approx((0.0005, 0.0015))


def test_several_parts_are_one_model():
    """Their operators follow each other."""
    one = part(run=0.010, operators=PLAIN)
    made = profile(one, one)

    assert len(attribution.operators(made)) == 6
    assert sum(s.seconds for s in attribution.operators(made)) == pytest.approx(made.run_seconds)


@given(
    run=st.floats(1e-6, 10),
    plain=st.lists(st.just(0.0) | st.floats(1e-9, 1), min_size=4, max_size=4),
    kept=st.sets(st.integers(0, 5)),
)
def test_whatever_was_measured_nothing_is_lost(run, plain, kept):
    """The sum is the whole, and no share is negative."""
    operators = [operator(place, time) for place, time in enumerate(plain)]
    kernels = [operator(place, 0.001) for place in kept]
    made = profile(run=run, operators=operators, kernels=kernels)
    shares = attribution.operators(made)

    assert min(share.seconds for share in shares) >= 0
    total = sum(share.seconds for share in shares)
    everything_kept = {1, 2, 3} <= kept
    assert total <= run * (1 + 1e-9)
    assert everything_kept or total == pytest.approx(run)
