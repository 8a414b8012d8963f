"""The exact search against brute force."""

import math

import msgspec
import pytest

from fleet.planner import search
from fleet.planner.objective import judge
from fleet.planner.problem import Device, Link, Op, Problem
from tests.unit.fleet.planner.instances import brute_force, random_problem

GOALS = ("throughput", "latency")


@pytest.mark.parametrize("block", range(6))
def test_the_best_plan_is_what_brute_force_finds(block):
    """Of 600 random problems, for both goals, the objective is equal, or both find nothing."""
    for seed in range(block * 100, block * 100 + 100):
        problem = random_problem(seed)
        expected = brute_force(problem)
        for goal in GOALS:
            found = search.best(problem, goal, 1)

            assert found.bound_seconds == pytest.approx(expected[goal], rel=1e-9), (seed, goal)
            assert bool(found.stages) == (expected[goal] < math.inf), (seed, goal)
            if found.stages:
                plan = judge(problem, found.stages, goal)
                assert plan.objective_seconds == pytest.approx(expected[goal], rel=1e-9)


@pytest.mark.parametrize("goal", GOALS)
def test_the_best_split_is_found_where_one_device_is_better(goal):
    """With two stages asked for, the best plan of two or more is found."""
    for seed in range(100):
        problem = random_problem(seed, most_ops=6)
        expected = brute_force(problem, fewest=2)[goal]

        assert search.best(problem, goal, 2).bound_seconds == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("goal", GOALS)
def test_storage_limits_weights_alone(goal):
    """Beside memory, which limits weights and activations together."""
    limited = 0
    for seed in range(100):
        problem = random_problem(seed, most_ops=8)
        weights = sum(op.weight_bytes for op in problem.ops)
        devices = tuple(
            msgspec.structs.replace(
                device, storage_bytes=int(weights * (0.4, 0.7, 1.0)[(seed + at) % 3]) + 1
            )
            for at, device in enumerate(problem.devices)
        )
        narrow = msgspec.structs.replace(problem, devices=devices)
        expected = brute_force(narrow)[goal]
        limited += expected > brute_force(problem)[goal]

        assert search.best(narrow, goal, 1).bound_seconds == pytest.approx(expected, rel=1e-9), seed
    assert limited > 10


def test_devices_with_other_ways_from_a_source_outside_are_not_alike():
    """The source may be no device that is planned for, as where a part is planned anew."""
    link = Link(from_="camera", to="a", latency_seconds=0.0, bytes_per_second=1e6)
    problem = Problem(
        ops=(Op(name="op", seconds={"b": 1.0, "a": 1.0}),),
        devices=(Device(id="b"), Device(id="a")),
        links=(link,),
        source="camera",
    )

    assert [stage.device for stage in search.best(problem, "latency", 1).stages] == ["a"]


@pytest.mark.parametrize("goal", GOALS)
def test_devices_that_are_alike_change_nothing(goal):
    """Two and three devices of one kind, linked alike: brute force tells them apart, we do not."""
    for seed in range(60):
        problem = alike(random_problem(seed, most_ops=7, most_devices=2), copies=seed % 2 + 1)
        expected = brute_force(problem)[goal]

        assert search.best(problem, goal, 1).bound_seconds == pytest.approx(expected, rel=1e-9)


def alike(problem, copies):
    """Return the problem with copies of its first device, which are linked to each other, too."""
    first = problem.devices[0].id
    names = [f"{first}-{number}" for number in range(copies)]
    ops = tuple(
        msgspec.structs.replace(
            op,
            seconds={
                **op.seconds,
                **{name: op.seconds[first] for name in names if first in op.seconds},
            },
        )
        for op in problem.ops
    )
    devices = [msgspec.structs.replace(problem.devices[0], id=name) for name in names]
    links = list(problem.links)
    for name in names:
        links += [
            msgspec.structs.replace(link, from_=name)
            for link in problem.links
            if link.from_ == first
        ]
        links += [
            msgspec.structs.replace(link, to=name) for link in problem.links if link.to == first
        ]
    links += [
        Link(from_=a, to=b, latency_seconds=0.001, bytes_per_second=1e6)
        for a in [first, *names]
        for b in [first, *names]
        if a != b
    ]
    return msgspec.structs.replace(
        problem, ops=ops, devices=(*problem.devices, *devices), links=tuple(links), source=None
    )


def test_many_devices_that_are_alike_stay_few_states():
    """24 equal devices are planned exactly: what counts is how many are used, not which."""
    ids = [f"d{number}" for number in range(24)]
    problem = Problem(
        ops=tuple(
            Op(name=f"op{i}", seconds=dict.fromkeys(ids, 0.01), out_bytes=1000) for i in range(48)
        ),
        devices=tuple(Device(id=id_) for id_ in ids),
        links=tuple(
            Link(from_=a, to=b, latency_seconds=0.001, bytes_per_second=1e6)
            for a in ids
            for b in ids
            if a != b
        ),
    )

    found = search.best(problem, "throughput", 1)

    assert found.bound_seconds == pytest.approx(0.02)
    assert len({stage.device for stage in found.stages}) == 24


def test_a_space_that_is_too_large_is_not_searched():
    """30 different devices are more than can be told apart."""
    problem = random_problem(1, most_devices=30, fewest_devices=30, limited=False)
    problem = msgspec.structs.replace(problem, ops=problem.ops * 4)

    assert search.best(problem, "latency", 1) is None


def test_times_far_apart_end_at_the_optimum():
    """A split between operators of a nanosecond and of hours is found without wandering about."""
    seconds = [1e-9, 3600.0, 2e-9, 7200.0, 1e-6]
    problem = Problem(
        ops=tuple(
            Op(name=f"op{i}", seconds={"a": value, "b": value * 1.1}, out_bytes=1)
            for i, value in enumerate(seconds)
        ),
        devices=(Device(id="a"), Device(id="b")),
        links=(
            Link(from_="a", to="b", latency_seconds=0.0, bytes_per_second=1e9),
            Link(from_="b", to="a", latency_seconds=0.0, bytes_per_second=1e9),
        ),
    )

    found = search.best(problem, "throughput", 1)

    assert found.bound_seconds == pytest.approx(7200.000001, rel=1e-12)
