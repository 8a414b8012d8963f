"""What holds for every pipeline, whatever happens in it."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fleet.planner.objective import timing
from fleet.planner.planning import plan
from fleet.simulator.judge import simulated as judged
from fleet.simulator.pipeline import Kill, Load
from fleet.simulator.report import report
from fleet.simulator.simulation import Simulation
from tests.unit.fleet.planner.instances import random_problem
from tests.unit.fleet.simulator.pipelines import chain, simulated, worker

SECONDS = st.floats(1e-4, 0.05)
FIGURES = st.tuples(st.floats(0, 0.02), st.floats(1e4, 1e7), st.just(0.0))
JITTERY = st.tuples(st.floats(1e-4, 0.02), st.floats(1e4, 1e7), st.floats(0, 2)).map(
    lambda figures: (figures[0], figures[1], figures[0] * figures[2])
)


@st.composite
def pipelines(draw, *, chance=False, replicas=1, sending=False):
    """Return a random pipeline with links between all its neighbours, and its devices."""
    count, stages, devices = draw(st.integers(1, 4)), [], []
    for _ in range(count):
        stage = []
        for _ in range(draw(st.integers(1, replicas))):
            devices.append(f"d{len(devices)}")
            spread = draw(st.floats(1, 2)) if chance else 1.0
            inbox = draw(st.integers(1, 6))
            sends = draw(st.floats(0, 0.02)) if sending else 0.0
            beside = sending and draw(st.booleans())
            stage.append(
                worker(
                    devices[-1],
                    draw(SECONDS),
                    spread=spread,
                    inbox_frames=inbox,
                    send_seconds=sends,
                    sends_beside=beside,
                )
            )
        stages.append(tuple(stage))
    places = [["s"], *[[one.device for one in stage] for stage in stages], ["s"]]
    links = {
        f"{a}>{b}": draw(JITTERY if chance else FIGURES)
        for here, there in pairwise(places)
        for a in here
        for b in there
    }
    sizes = draw(st.lists(st.integers(0, 5000), min_size=count + 1, max_size=count + 1))
    return chain(*stages, links=links, sizes=sizes, source="s", sink="s"), devices


@settings(max_examples=40, deadline=None)
@given(
    made=pipelines(chance=True, replicas=3, sending=True),
    window=st.integers(1, 12),
    rate=st.none() | st.floats(5, 500),
    policy=st.sampled_from(["block", "drop_oldest"]),
    deadline=st.floats(0.05, 5),
    data=st.data(),
)
def test_every_frame_is_accounted_for_at_every_instant(made, window, rate, policy, deadline, data):
    """Submitted is results and errors and drops and what is in flight, and each ends once."""
    pipeline, devices = made
    dying = data.draw(st.lists(st.sampled_from(devices), unique=True, max_size=2))
    load = Load(
        window=window,
        rate=rate,
        arrivals="poisson",
        policy=policy if rate else "block",
        deadline_seconds=deadline,
        frames=100,
        seed=window,
        kills=tuple(Kill(device, 0.4 * (n + 1)) for n, device in enumerate(dying)),
    )
    simulation = Simulation(pipeline, load)

    while not simulation.finished:
        simulation.events.step()
        found = simulation.account
        ended = found.results + found.errors + found.drops
        assert found.submitted == ended + found.in_flight
        assert found.in_flight <= window + 1
    sequences = [ending.sequence for ending in simulation.trace.endings]
    assert len(set(sequences)) == len(sequences)
    assert all(e.latency_seconds <= deadline + 1e-9 for e in simulation.trace.endings)


@settings(max_examples=30, deadline=None)
@given(
    made=pipelines(chance=True, replicas=2, sending=True),
    window=st.integers(1, 30),
    deadline=st.floats(0.05, 5),
    data=st.data(),
)
def test_a_worker_does_one_thing_at_a_time(made, window, deadline, data):
    """It computes, or waits with what was computed, or neither."""
    pipeline, devices = made
    dying = data.draw(st.lists(st.sampled_from(devices), max_size=1))
    kills = tuple(Kill(device, 0.3) for device in dying)
    load = Load(window=window, frames=100, deadline_seconds=deadline, seed=window, kills=kills)

    trace = Simulation(pipeline, load).run()

    for device in devices:
        spans = sorted(trace.busy[device,] + trace.blocked[device,])
        assert all(span.began <= span.ended for span in spans)
        assert all(before.ended <= after.began for before, after in pairwise(spans))


@settings(max_examples=30, deadline=None)
@given(run_seconds=SECONDS, send_seconds=SECONDS, rate=st.floats(5, 100), seed=st.integers(0, 1000))
def test_what_is_sent_beside_leaves_when_a_worker_lets_it(run_seconds, send_seconds, rate, seed):
    """As threads do it: where no other frame waits when one was computed, its thread sends it."""
    alone = worker("a", run_seconds, send_seconds=send_seconds, sends_beside=True, inbox_frames=999)
    load = Load(window=999, rate=rate, arrivals="poisson", frames=100, seed=seed)
    endings = Simulation(chain(alone), load).run().endings

    free_at, left_at = 0.0, []
    for ending, after in pairwise(endings):
        computed_at = max(ending.submitted, free_at) + run_seconds
        began_to_leave_at = max(computed_at, left_at[-1] if left_at else 0.0)
        left_at.append(began_to_leave_at + send_seconds)
        free_at = began_to_leave_at if after.submitted <= computed_at else left_at[-1]

    assert [ending.ended for ending in endings[:-1]] == pytest.approx(left_at)


@settings(max_examples=40, deadline=None)
@given(made=pipelines(replicas=3), window=st.integers(1, 12), data=st.data())
def test_a_death_loses_no_frame_where_a_replica_is_left(made, window, data):
    """All that is in flight and not with the dead is somewhere on its way, and arrives."""
    pipeline, _ = made
    several = [stage for stage in pipeline.stages if len(stage.workers) > 1]
    assume(several)
    dying = data.draw(st.sampled_from(several)).workers[0].device

    found = simulated(
        pipeline, window=window, frames=150, deadline_seconds=100, kills=(Kill(dying, 0.5),)
    )

    assert found.errors == {}
    assert found.stretches[1].results == 150


@settings(max_examples=50, deadline=None)
@given(made=pipelines(), window=st.integers(1, 10), more=st.integers(1, 6))
def test_a_larger_window_makes_no_frame_later(made, window, more):
    """So throughput never falls; without chance, replicas, or a link that two hops share."""
    pipeline, devices = made
    assume(len(devices) > 1)

    def ends(frames_in_flight):
        load = Load(window=frames_in_flight, frames=100, deadline_seconds=1e6)
        return [ending.ended for ending in Simulation(pipeline, load).run().endings]

    pairs = zip(ends(window), ends(window + more), strict=False)
    assert all(wider <= narrow + 1e-9 for narrow, wider in pairs)


@settings(max_examples=15, deadline=None)
@given(made=pipelines(chance=True, replicas=2, sending=True), window=st.integers(1, 12))
def test_frames_in_flight_are_throughput_times_latency(made, window):
    """Little's law, within 5 %: N is counted over time, T and D over frames."""
    steady = simulated(made[0], window=window, frames=1000).steady

    assert steady.in_flight_by_little == pytest.approx(steady.in_flight.value, rel=0.05)
    rate, latency = steady.frames_per_second.value, steady.latency_mean_seconds.value
    assert rate == pytest.approx(steady.in_flight.value / latency, rel=0.05)


@settings(max_examples=15, deadline=None)
@given(made=pipelines(chance=True, replicas=2, sending=True))
def test_the_same_seed_gives_the_same_run(made):
    """To the last digit; and times that differ at all differ with another seed."""

    def told(seed):
        load = Load(frames=200, rate=40.0, arrivals="poisson", seed=seed)
        simulation = Simulation(made[0], load)
        simulation.run()
        return msgspec.to_builtins(report(simulation, []))

    assert told(1) == told(1)
    assert told(1) != told(2)


@pytest.mark.parametrize("seed", range(60))
def test_the_judge_agrees_with_the_objective_where_nothing_waits(seed):
    """One frame alone takes the sum; no plan gives more than its busiest resource allows."""
    problem = random_problem(seed)
    found = plan(problem, "latency").plan
    if found is None:
        return
    objective = timing(problem, found.stages)

    assert judged(problem, found.stages, "latency") == pytest.approx(found.objective_seconds)
    slowest = objective.objective_seconds("throughput")
    assert judged(problem, found.stages, "throughput") >= slowest * (1 - 1e-9)
