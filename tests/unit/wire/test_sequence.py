"""What was seen before is refused, in bounded memory."""

from hypothesis import given, settings
from hypothesis import strategies as st

from wire.sequence import REMEMBERED, SeenSequences, SeenStreams

NEAR = st.integers(0, REMEMBERED - 1)
FAR = st.integers(0, 5 * REMEMBERED) | st.integers(0, 2**64 - 1)


@settings(deadline=None)
@given(st.lists(NEAR, max_size=200))
def test_inside_the_memory_exactly_repetitions_are_refused(sequences):
    """As long as numbers stay close, the first of each passes, in any order, and no other."""
    seen = SeenSequences()
    before = set()

    for sequence in sequences:
        assert seen.first_time(sequence) is (sequence not in before)
        before.add(sequence)


@settings(deadline=None)
@given(st.lists(FAR, max_size=100))
def test_nothing_passes_twice_however_far_numbers_jump(sequences):
    """A number that left the memory counts as seen; a new highest one always passes."""
    seen = SeenSequences()
    before = set()

    for sequence in sequences:
        passed = seen.first_time(sequence)
        highest = max(before, default=-1)
        expected = sequence not in before and sequence > highest - REMEMBERED
        assert passed is expected
        before.add(sequence)


def test_edge_of_the_memory():
    """The oldest number remembered is REMEMBERED - 1 behind the highest."""
    seen = SeenSequences()
    seen.first_time(REMEMBERED)

    assert seen.first_time(1)
    assert not seen.first_time(0)


def test_streams_do_not_disturb_each_other():
    """The same number passes once for each stream."""
    seen = SeenStreams()

    assert seen.first_time(1, 5)
    assert seen.first_time(2, 5)
    assert not seen.first_time(1, 5)
    assert not seen.first_time(2, 5)


def test_stream_unused_for_longest_is_forgotten():
    """Memory is bounded: a third stream pushes out the one that was not used since."""
    seen = SeenStreams(max_streams=2)
    seen.first_time(1, 0)
    seen.first_time(2, 0)
    seen.first_time(1, 1)
    seen.first_time(3, 0)

    assert not seen.first_time(1, 0)
    assert seen.first_time(2, 0)
