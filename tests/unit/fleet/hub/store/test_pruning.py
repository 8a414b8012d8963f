from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from fleet.hub.store.pruning import (
    NEWEST_RAW_SECONDS,
    RAW_SECONDS,
    ROLLUPS_SECONDS,
    Slot,
    expired,
    least_needed_first,
)

NOW = 1_795_000_000
KEPT_SECONDS = {"raw": RAW_SECONDS, "rollups": ROLLUPS_SECONDS}
AGES = st.integers(-20_000, ROLLUPS_SECONDS // 10 + 500)
SLOTS = st.sets(
    st.builds(Slot, st.sampled_from(["raw", "rollups"]), AGES.map(lambda age: NOW // 10 - age))
)


@given(SLOTS)
def test_what_may_still_be_young_stays(slots):
    """A slot is old when all of it is; what a wrong clock wrote would never become so."""
    gone = set(expired(slots, NOW))

    for slot in slots:
        begin_age = NOW - 10 * slot.slot
        old = begin_age - 10 >= KEPT_SECONDS[slot.holds]
        young = -3600 <= begin_age <= KEPT_SECONDS[slot.holds]
        ahead = begin_age < -3600 - 10
        assert (slot in gone) >= (old or ahead)
        assert (slot in gone) <= (not young)


@given(SLOTS)
def test_raw_telemetry_makes_room_before_roll_ups_and_the_old_before_the_young(slots):
    """But for the newest raw telemetry, which is the last to go; no slot is left out."""
    order = least_needed_first(slots, NOW)
    kinds = [
        "newest" if s.holds == "raw" and s.slot >= (NOW - NEWEST_RAW_SECONDS) // 10 else s.holds
        for s in order
    ]

    assert set(order) == slots
    assert kinds == sorted(kinds, key=["raw", "rollups", "newest"].index)
    assert all(
        a.slot < b.slot for (a, k), (b, m) in pairwise(zip(order, kinds, strict=True)) if k == m
    )
