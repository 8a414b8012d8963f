"""Runs of which theory knows the figures."""

import pytest

from fleet.simulator.pipeline import Kill, Load
from fleet.simulator.simulation import Simulation
from tests.unit.fleet.simulator.pipelines import chain, simulated, use, worker

THREE = chain(
    worker("a", 0.010),
    worker("b", 0.020),
    worker("c", 0.005),
    links={"s>a": (0.001, 1e6), "a>b": (0.002, 1e6), "b>c": (0.0, 5e5), "c>s": (0.003, 1e7)},
    sizes=[4000, 3000, 6000, 1000],
    source="s",
    sink="s",
)
"""Its links are busy for 4, 3, 12 and 0.1 ms; all of it takes 60.1 ms."""


def about(value):
    """Return what is equal but for rounding."""
    return pytest.approx(value, rel=1e-6)


def test_one_frame_takes_the_sum_of_all_stages_and_hops():
    """With a window of one nothing waits, and nothing overlaps."""
    steady = simulated(THREE, window=1, frames=200).steady

    assert steady.latency_p50_seconds.value == about(0.0601)
    assert steady.latency_p95_seconds.value == about(0.0601)
    assert steady.frames_per_second.value == about(1 / 0.0601)
    assert use(steady, "b").busy.value == about(20 / 60.1)
    assert use(steady, "b", "c").busy.value == about(12 / 60.1)


def test_throughput_is_that_of_the_busiest_resource():
    """It is never idle, all others as far as it lets them; frames wait before it."""
    steady = simulated(THREE, window=16, frames=1000).steady

    assert steady.frames_per_second.value == about(50)
    assert steady.frames_per_second.high - steady.frames_per_second.low < 0.01
    assert use(steady, "b").busy.value == about(1)
    assert use(steady, "a").busy.value == about(0.5)
    assert use(steady, "b").waiting.value > 1
    assert use(steady, "c").waiting.value == 0
    assert steady.latency_mean_seconds.value == about(16 / 50)


def test_a_link_may_be_the_busiest():
    """What it carries waits for it, not for a device."""
    slow = chain(
        worker("a", 0.010),
        worker("b", 0.020),
        links={"a>b": (0.001, 1e5)},
        sizes=[0, 4000, 0],
    )

    steady = simulated(slow, window=8, frames=1000).steady

    assert steady.frames_per_second.value == about(25)
    assert use(steady, "a", "b").busy.value == about(1)
    assert use(steady, "a", "b").waiting.value > 0.5


@pytest.mark.parametrize(("beside", "period"), [(False, 0.024), (True, 0.020)])
def test_what_was_computed_leaves_while_the_next_is_where_a_core_is_left(beside, period):
    """Then sending takes nothing of a busy worker's time; else it is part of it."""
    pipeline = chain(worker("a", 0.020, send_seconds=0.004, sends_beside=beside))

    steady = simulated(pipeline, window=8, frames=1000).steady

    assert steady.frames_per_second.value == about(1 / period)
    assert use(steady, "a").busy.value == about(1)
    assert use(steady, "a").blocked == 0


@pytest.mark.parametrize("beside", [False, True])
def test_a_frame_alone_takes_the_sum_wherever_it_is_sent(beside):
    """Nothing waits that could be computed meanwhile."""
    pipeline = chain(worker("a", 0.020, send_seconds=0.004, sends_beside=beside))

    steady = simulated(pipeline, window=1, frames=200).steady

    assert steady.latency_p50_seconds.value == about(0.024)
    assert steady.frames_per_second.value == about(1 / 0.024)


def test_a_worker_is_at_most_one_frame_ahead_of_what_it_sends():
    """Sending that takes longer than computing is what it waits for."""
    pipeline = chain(worker("a", 0.005, send_seconds=0.020, sends_beside=True))

    steady = simulated(pipeline, window=8, frames=1000).steady

    assert steady.frames_per_second.value == about(50)
    assert use(steady, "a").busy.value == about(0.25)
    assert use(steady, "a").blocked == about(0.75)


def test_what_comes_after_a_frame_was_computed_waits_until_that_one_has_left():
    """Whoever computed it sends it then, though it had to wait for the one before to leave."""
    pipeline = chain(worker("a", 0.010, send_seconds=0.040, sends_beside=True))

    endings = Simulation(pipeline, Load(window=8, rate=40, frames=4)).run().endings

    assert [ending.ended for ending in endings] == pytest.approx([0.050, 0.100, 0.140, 0.190])


def test_without_credit_one_frame_more_is_computed_and_waits():
    """The one that leaves waits for credit, and the next one for that."""
    rows = {}
    for beside in (False, True):
        pipeline = chain(
            worker("a", 0.001, inbox_frames=4, sends_beside=beside),
            worker("b", 0.020, inbox_frames=4),
            links={"a>b": (0.0, 1e9)},
        )
        rows[beside] = simulated(pipeline, window=64, frames=1000).steady

    assert rows[True].frames_per_second.value == rows[False].frames_per_second.value == about(50)
    assert use(rows[True], "a").blocked == pytest.approx(0.95, abs=0.01)
    assert use(rows[True], "b").waiting_p95 <= 3


def test_credit_bounds_what_is_behind_a_sender():
    """A stage's inbox and the way to it hold what it grants; the stage before waits, blocked."""
    steady = simulated(
        chain(
            worker("a", 0.001, inbox_frames=4),
            worker("b", 0.020, inbox_frames=4),
            links={"a>b": (0.0, 1e9)},
        ),
        window=64,
        frames=1000,
    ).steady

    assert use(steady, "b").waiting_p95 <= 3
    assert use(steady, "a").blocked == pytest.approx(0.95, abs=0.01)
    assert use(steady, "a").waiting_p95 <= 3


def test_a_long_link_carries_no_more_than_its_receivers_credit():
    """Four frames for the time that a frame goes there, is computed, and its grant comes back."""
    steady = simulated(
        chain(
            worker("a", 0.001),
            worker("b", 0.001, inbox_frames=1),
            links={"a>b": (0.050, 1e9), "b>a": (0.050, 1e9)},
            sizes=[0, 0, 0],
        ),
        window=64,
        frames=500,
    ).steady

    assert steady.frames_per_second.value == about(1 / 0.101)


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_frames_that_come_by_chance_wait_as_long_as_queueing_theory_says(load):
    """M/D/1: a mean wait of load x service / 2 (1 - load); Pollaczek and Khinchine."""
    steady = simulated(
        chain(worker("a", 0.010, inbox_frames=1024)),
        window=1024,
        rate=load / 0.010,
        arrivals="poisson",
        frames=30_000,
        seed=1,
    ).steady

    expected = 0.010 + load * 0.010 / (2 * (1 - load))
    assert steady.latency_mean_seconds.low <= expected <= steady.latency_mean_seconds.high
    assert steady.latency_mean_seconds.value == pytest.approx(expected, rel=0.1)
    assert use(steady, "a").busy.low <= load <= use(steady, "a").busy.high


def test_two_replicas_of_the_slowest_stage_do_twice_as_much():
    """Each takes every other frame; what they give comes in order."""
    two = chain(worker("a", 0.001), (worker("b", 0.020), worker("c", 0.020)), worker("d", 0.001))

    steady = simulated(two, window=16, frames=1000).steady

    assert steady.frames_per_second.value == about(100)
    assert [use(steady, device).busy.value for device in "bc"] == [about(1), about(1)]


def test_a_replica_that_dies_halves_it_and_loses_no_frame():
    """What it held is sent to the other one."""
    two = chain(worker("a", 0.001), (worker("b", 0.020), worker("c", 0.020)), worker("d", 0.001))

    found = simulated(two, window=16, frames=1000, kills=(Kill("b", 5.0),))

    before, after = found.stretches
    assert before.steady.frames_per_second.value == about(100)
    assert after.steady.frames_per_second.value == about(50)
    assert (after.began_with, after.from_seconds) == ("b", 5.0)
    assert found.account.errors == 0
    assert 1 < after.longest_pause_seconds < 2.1


def test_without_a_replica_frames_end_by_their_deadline():
    """And nothing comes any more."""
    found = simulated(
        chain(worker("a", 0.001), worker("b", 0.02)),
        window=8,
        frames=100,
        deadline_seconds=3.0,
        kills=(Kill("b", 5.0),),
    )

    assert found.errors == {"frame.deadline": 100}
    assert found.stretches[1].results == 0
    assert found.steady.frames_per_second.value == 0
    assert found.steady.latency_p50_seconds is None


def test_frames_that_come_too_fast_are_dropped_and_those_that_go_through_are_new():
    """One waits to leave, and the next takes its place: 100 come, 50 are taken."""
    steady = simulated(
        chain(worker("a", 0.020)),
        window=2,
        rate=100,
        policy="drop_oldest",
        frames=1000,
    )

    assert steady.account.drops == pytest.approx(steady.account.results, rel=0.02)
    assert steady.steady.frames_per_second.value == pytest.approx(50, rel=0.01)
    assert steady.steady.latency_p95_seconds.value < 0.05 + 1e-9


def test_what_sending_and_receiving_cost_keeps_the_device_from_computing():
    """Both beside the stage's own time."""
    steady = simulated(
        chain(worker("a", 0.010, receive_seconds=0.002, send_seconds=0.003)), frames=200
    ).steady

    assert steady.frames_per_second.value == about(1 / 0.015)


def test_a_device_at_rest_receives_while_a_frame_travels():
    """Then it costs nothing but what the link takes; one that computes all the time has to wait."""
    alone = simulated(chain(worker("a", 0.010, receive_seconds=0.004)), window=1, rate=20).steady

    assert alone.latency_p95_seconds.value == about(0.010)


def test_spread_has_the_percentiles_that_were_given():
    """The median and the ninetieth, of a stage's times."""
    steady = simulated(chain(worker("a", 0.010, spread=1.5)), window=1, frames=20_000, seed=3)
    half = steady.steady.latency_p50_seconds

    assert half.low <= 0.010 <= half.high
    # of a lognormal with its ninetieth percentile at 1.5 medians, 95 % are below 1.683
    assert steady.steady.latency_p95_seconds.value == pytest.approx(0.01683, rel=0.02)
