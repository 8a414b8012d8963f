"""Agents that share one machine's cores, and the narrowest cuts within a limit."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.model_plan.candidate import Candidate, Group, HopFigures, StageFigures
from paceline.demo import sharing
from tests.unit.fleet.simulator.pipelines import chain, worker


def candidate(*seconds, size=1_000_000):
    """Return stages that take so long, with a hop before each and one behind."""
    devices = [f"d{n}" for n in range(len(seconds))]
    ways = itertools.pairwise(["client", *devices, "client"])
    return Candidate(
        groups=tuple(Group(n, n, (device,)) for n, device in enumerate(devices)),
        stages=tuple(
            StageFigures(
                device=device, first=n, last=n, operators=1, multiply_accumulates=1, share=1.0,
                seconds=time, weight_bytes=1, in_flight_bytes=1, memory_bytes=1,
            )
            for n, (device, time) in enumerate(zip(devices, seconds, strict=True))
        ),
        hops=tuple(
            HopFigures(
                source=a, target=b, into=n, share=1.0, tensors=(), raw_bytes=size, codec="raw",
                link="mqtt", latency_seconds=0.0, transfer_seconds=0.001,
            )
            for n, (a, b) in enumerate(ways)
        ),
        period_seconds=max(seconds), latency_seconds=sum(seconds), compute_seconds=sum(seconds),
        joules=None, cost=None,
    )  # fmt: skip


def test_a_frame_keeps_the_cores_busy_for_all_that_it_takes():
    """Three equal stages on two cores are as slow as half of all work, on three as the slowest."""
    found = candidate(0.060, 0.060, 0.060, size=0)
    work = 0.180 + 4 * sharing.HOP_SECONDS

    assert sharing.work_seconds(found) == pytest.approx(work)
    assert sharing.period_seconds(found, 2) == pytest.approx(work / 2)
    assert sharing.period_seconds(found, 8) == 0.060


def test_what_is_sent_keeps_cores_busy_too():
    """By bytes."""
    few, many = candidate(0.1, 0.1, size=0), candidate(0.1, 0.1, size=10**7)

    more = sharing.work_seconds(many) - sharing.work_seconds(few)
    assert more == pytest.approx(3 * 10**7 * sharing.HOP_SECONDS_PER_BYTE)


@pytest.mark.parametrize(
    ("window", "cores", "slower"),
    [(1, 2, 1.0), (2, 2, 1.0), (3, 2, 1.5), (6, 2, 1.5), (1, 0.5, 2.0), (6, 0.5, 6.0)],
)
def test_stages_are_slower_only_where_more_compute_than_there_are_cores(window, cores, slower):
    """One frame alone has a core for itself."""
    found = candidate(0.060, 0.060, 0.060, size=0)
    made = chain(worker("d0", 0.060), worker("d1", 0.060), worker("d2", 0.060))

    shared = sharing.on_shared_cores(made, found, cores, window)

    times = [stage.workers[0].run_seconds for stage in shared.stages]
    assert times == pytest.approx([0.060 * slower] * 3, rel=0.02)


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=8),
    st.integers(1, 4),
    st.integers(1, 40),
)
def test_the_narrowest_cuts_are_those_of_brute_force(blocks, count, longest):
    """Of all ways to cut that no stage is longer than the limit, one with the fewest bytes."""
    seconds, sizes = [float(s) for s, _ in blocks], [size for _, size in blocks]
    ways = {
        cuts: sum(sizes[cut - 1] for cut in cuts)
        for cuts in itertools.combinations(range(1, len(blocks)), count - 1)
        if all(sum(seconds[a:b]) <= longest for a, b in itertools.pairwise([0, *cuts, len(blocks)]))
    }

    found = sharing.narrowest(seconds, sizes, count, longest)

    if not ways:
        assert found is None
        return
    assert [a for a, _ in found] == [0, *(b + 1 for _, b in found[:-1])]
    assert found[-1][1] == len(blocks) - 1
    least = min(ways.values(), default=math.inf)
    assert ways[tuple(a for a, _ in found[1:])] == least
