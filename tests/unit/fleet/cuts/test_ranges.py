"""Questions about ranges, against looking at each place of them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fleet.cuts.ranges import FAR, Ranges

VALUES = st.one_of(st.integers(0, 6), st.just(FAR))


@st.composite
def questions(draw):
    """Draw ranges over places, values of the places, and a value for each range."""
    count = draw(st.integers(1, 20))
    order = draw(st.permutations(range(count)))
    spent = sorted(draw(st.lists(st.integers(0, 30), min_size=count, max_size=count)))
    bounds = st.tuples(st.integers(0, count), st.integers(0, count)).map(sorted)
    ranges = draw(st.lists(bounds, max_size=6))
    reached = [spent[-1] + draw(st.integers(0, 9)) for _ in ranges]
    values = [draw(st.lists(VALUES, min_size=count, max_size=count)) for _ in range(2)]
    found = Ranges(
        order=numbers(order),
        spent=numbers(spent),
        starts=numbers(start for start, _ in ranges),
        stops=numbers(stop for _, stop in ranges),
        owners=numbers(range(len(ranges))),
        reached=numbers(reached),
    )
    return found, numbers(values[0]), numbers(values[1])


def numbers(values):
    """Return whole numbers as an array."""
    return np.array(list(values), np.int64)


def looked_at(ranges):
    """Return, of each range, its places and what the segment from each of them costs."""
    return [
        [(ranges.order[i], ranges.reached[n] - ranges.spent[i]) for i in range(start, stop)]
        for n, (start, stop) in enumerate(zip(ranges.starts, ranges.stops, strict=True))
    ]


@given(questions())
def test_the_least_value(question):
    """Of each range; an empty one has none."""
    ranges, values, _ = question
    expected = [min((values[p] for p, _ in places), default=FAR) for places in looked_at(ranges)]

    assert ranges.least(values).tolist() == expected


@given(questions())
def test_the_least_slowest_cost(question):
    """The larger of what was before a place and of the segment from there, at its least."""
    ranges, _, before = question
    expected = [
        min((max(before[p], cost) for p, cost in places), default=FAR)
        for places in looked_at(ranges)
    ]

    assert ranges.slowest(before).tolist() == expected


@given(questions(), st.data())
def test_the_least_slowest_cost_where_a_value_is_met(question, data):
    """Only places of the wanted value count; each range wants its own."""
    ranges, values, before = question
    wanted = numbers(data.draw(st.sampled_from(values.tolist())) for _ in ranges.starts)
    expected = [
        min((max(before[p], cost) for p, cost in places if values[p] == wanted[n]), default=FAR)
        for n, places in enumerate(looked_at(ranges))
    ]

    assert ranges.slowest_where(values, wanted, before).tolist() == expected


@given(questions(), st.integers(0, 40))
def test_ranges_shrink_to_a_limit(question, limit):
    """What is left are the places from where on the segment does not cost more."""
    ranges, _, _ = question
    expected = [
        [(place, cost) for place, cost in places if cost <= limit] for places in looked_at(ranges)
    ]

    assert looked_at(ranges.within(limit)) == expected


@given(questions())
def test_some_of_the_ranges(question):
    """Those that are marked, and the places of those of one owner."""
    ranges, values, _ = question
    mark = numbers(range(len(ranges.starts))) % 2 == 1
    expected = [{int(place) for place, _ in places} for places in looked_at(ranges)]

    assert ranges.only(mark).least(values).tolist() == ranges.least(values)[mark].tolist()
    assert [set(np.flatnonzero(ranges.of(n)).tolist()) for n in ranges.owners] == expected
