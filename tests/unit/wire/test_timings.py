"""The waterfall in a frame's meta."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wire import timings
from wire.timings import KEY, MAX_ENTRIES, StageTimes

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=8) | st.integers(0, 9), inner, max_size=3)
    ),
    max_leaves=8,
)


def times(stage):
    """One stage's entry."""
    return StageTimes(
        stage=stage, device="dev", clock="c1", received=1, started=2, run=3, finished=4, sent=5
    )


def test_stages_append_and_the_client_reads():
    """Each stage's entry follows the one before, also through the wire's encoding."""
    meta = {"client": "c"}
    for stage in range(3):
        meta[KEY] = timings.appended(meta, times(stage))
    received = msgspec.msgpack.decode(msgspec.msgpack.encode(meta))

    assert timings.entries(received) == (times(0), times(1), times(2))


def test_list_is_bounded():
    """A frame that goes round for ever does not grow for ever: the oldest entries go."""
    meta = {}
    for stage in range(MAX_ENTRIES + 5):
        meta[KEY] = timings.appended(meta, times(stage))

    assert [entry.stage for entry in timings.entries(meta)] == list(range(5, MAX_ENTRIES + 5))


def test_appending_leaves_the_frame_before_alone():
    """The list in the received frame's meta is not changed."""
    meta = {KEY: timings.appended({}, times(0))}
    timings.appended(meta, times(1))

    assert timings.entries(meta) == (times(0),)


@pytest.mark.parametrize(
    "broken", [None, 7, [], {"stage": 1}, [1], [*msgspec.structs.astuple(times(1))[:-1], "x"]]
)
def test_broken_entry_is_left_out(broken):
    """One stage's broken entry hides no other."""
    good = [list(msgspec.structs.astuple(times(stage))) for stage in (0, 2)]
    meta = {KEY: [good[0], broken, good[1]]}

    assert [entry.stage for entry in timings.entries(meta)] == [0, 2]


def test_an_entry_of_an_earlier_version_is_understood():
    """It does not tell when what came of its run began to leave: that is when it returned."""
    listed = list(msgspec.structs.astuple(times(1))[:-1])
    told = {name: value for name, value in timings.plain(times(1)).items() if name != "leaving"}

    assert timings.entries({KEY: [listed]}) == timings.from_plain([told]) == (times(1),)
    assert times(1).waited == 0


@pytest.mark.parametrize(("leaving", "waited"), [(0, 0), (4, 0), (7, 3), (3, 0), (99, 6)])
def test_what_waits_to_leave_waits_no_longer_than_until_it_is_sent(leaving, waited):
    """Whatever a stage claims; 0: it tells nothing."""
    assert msgspec.structs.replace(times(1), leaving=leaving, sent=10).waited == waited


@settings(deadline=None)
@given(JUNK)
def test_hostile_meta_raises_nothing(junk):
    """Whatever stands where timings belong, a stage can append and a client can read."""
    meta = {KEY: junk}

    assert timings.entries({KEY: timings.appended(meta, times(9))})[-1] == times(9)
    assert all(isinstance(entry, StageTimes) for entry in timings.entries(meta))
