import random
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import backoff


@given(seed=st.integers(), base=st.floats(0.01, 5), factor=st.floats(1, 100))
def test_each_delay_is_between_half_and_all_of_a_doubling_bounded_ceiling(seed, base, factor):
    """Delays double up to the cap, and no retry follows at once."""
    cap = base * factor
    ceilings = [min(cap, base * 2**n) for n in range(12)]

    delays = list(islice(backoff.delays(base, cap, random.Random(seed)), 12))

    assert all(c / 2 <= d <= c for d, c in zip(delays, ceilings, strict=True))


def test_two_devices_do_not_retry_in_step():
    """Different randomness gives different delays."""
    one = list(islice(backoff.delays(1, 8, random.Random(1)), 4))
    other = list(islice(backoff.delays(1, 8, random.Random(2)), 4))

    assert one != other


@pytest.mark.parametrize(("base", "cap"), [(0, 1), (-1, 1), (2, 1)])
def test_impossible_bounds_are_a_bug_in_the_caller(base, cap):
    """A base of zero would never wait; a cap below it makes no sense."""
    with pytest.raises(ValueError, match="no delays"):
        next(backoff.delays(base, cap, random.Random(1)))
