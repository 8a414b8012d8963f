"""The answer: verdict, single device beside it, and why nothing fits."""

import math
import re

import msgspec
import pytest

from fleet.planner import planning
from fleet.planner.errors import GoalUnsupportedError
from fleet.planner.problem import Device, Link, Op, Problem
from tests.unit.fleet.planner.instances import brute_force, random_problem
from wire.errors import UnknownPluginError


def chain(seconds, *, memory=None, sent=1000, **more):
    """Return a chain on devices a and b, as fast as each other, linked both ways."""
    ids = ["a", "b"]
    return Problem(
        ops=tuple(
            Op(name=f"op{i}", seconds=dict.fromkeys(ids, s), weight_bytes=100, out_bytes=sent)
            for i, s in enumerate(seconds)
        ),
        devices=tuple(Device(id=id_, memory_bytes=memory) for id_ in ids),
        links=tuple(
            Link(from_=a, to=b, latency_seconds=0.001, bytes_per_second=1e6)
            for a, b in (("a", "b"), ("b", "a"))
        ),
        **more,
    )


def test_a_split_that_is_faster_is_said_to_be_one():
    """Two equal halves on two devices double the throughput."""
    answer = planning.plan(chain([1.0, 1.0]), "throughput")

    assert (answer.verdict, answer.optimal, answer.gap) == ("split", True, 0.0)
    assert answer.plan == answer.split
    assert answer.plan.objective_seconds == pytest.approx(1.0)
    assert answer.single.objective_seconds == pytest.approx(2.0)


def test_a_split_that_only_delays_is_not_recommended_but_told():
    """For latency one device is better; the best split stands beside it."""
    answer = planning.plan(chain([1.0, 1.0]), "latency")

    assert answer.verdict == "do not split"
    assert answer.plan == answer.single
    assert answer.split.objective_seconds == pytest.approx(2.002)


def test_a_split_that_is_just_as_good_is_not_worth_it():
    """Frames come over a slow link, which takes longer than either."""
    problem = chain([0.1, 0.1])
    slow = [
        Link(from_="c", to=id_, latency_seconds=0.0, bytes_per_second=1e6) for id_ in ("a", "b")
    ]
    problem = msgspec.structs.replace(
        problem,
        devices=(*problem.devices, Device(id="c")),
        links=(*problem.links, *slow),
        source="c",
        input_bytes=10**6,
    )

    answer = planning.plan(problem, "throughput")

    assert answer.verdict == "do not split"
    assert len(answer.plan.stages) == 1


def test_one_operator_cannot_be_split():
    """There is a single device, and no split beside it."""
    answer = planning.plan(chain([1.0]), "throughput")

    assert (answer.verdict, answer.split) == ("do not split", None)


def test_what_fits_no_device_alone_is_split():
    """Without a single device to compare with, whatever fits is better."""
    answer = planning.plan(chain([1.0, 1.0], memory=150), "latency")

    assert (answer.verdict, answer.single) == ("split", None)


def test_too_little_memory_is_told_with_the_least_that_would_do():
    """The arithmetic, and a change after which it fits, while a byte less would not do."""
    problem = chain([1.0, 1.0, 1.0, 1.0], memory=150)

    answer = planning.plan(problem, "throughput")

    assert (answer.verdict, answer.plan, answer.optimal) == ("infeasible", None, True)
    assert answer.shortage.needed_bytes == 400
    assert answer.shortage.available_bytes == {"a": 150, "b": 150}
    assert answer.shortage.reasons == ("weights take 400 bytes, all devices have 300 together",)
    assert answer.shortage.nearest_change == "give a 150 bytes of memory more (300 in all)"


def test_the_nearest_change_of_memory_is_enough_and_the_least():
    """By brute force: with it something fits, with one byte less on that device nothing does."""
    seen = 0
    for seed in range(120):
        problem = random_problem(seed, most_ops=5, most_devices=3, limited=True)
        answer = planning.plan(problem, "latency")
        change = answer.shortage.nearest_change if answer.shortage else ""
        if not (found := re.match(r"give (d\d) (\d+) bytes of memory more", change)):
            continue
        seen += 1
        device, more = found[1], int(found[2])

        assert brute_force(with_more(problem, device, more))["latency"] < math.inf, seed
        assert brute_force(with_more(problem, device, more - 1))["latency"] == math.inf, seed
    assert seen > 10


def with_more(problem, device, more):
    """Return the problem with more memory on one device."""
    devices = [
        msgspec.structs.replace(d, memory_bytes=d.memory_bytes + more * (d.id == device))
        for d in problem.devices
    ]
    return msgspec.structs.replace(problem, devices=tuple(devices))


def test_a_missing_link_is_named():
    """Each half runs on one device alone, and nothing leads from the first to the second."""
    problem = chain([1.0, 1.0])
    ops = (
        msgspec.structs.replace(problem.ops[0], seconds={"a": 1.0}),
        msgspec.structs.replace(problem.ops[1], seconds={"b": 1.0}),
    )
    problem = msgspec.structs.replace(problem, ops=ops, links=problem.links[1:])

    answer = planning.plan(problem, "throughput")

    assert answer.shortage.nearest_change == "make a link from a to b"


def test_no_way_from_the_source_is_told():
    """The source reaches nothing, and runs nothing itself."""
    problem = chain([1.0, 1.0])
    devices = (*problem.devices, Device(id="camera"))
    problem = msgspec.structs.replace(problem, devices=devices, source="camera")

    answer = planning.plan(problem, "latency")

    assert (
        "no link leads from source camera to where the first operator can run"
        in answer.shortage.reasons
    )
    assert answer.shortage.nearest_change == "make a link from camera to a"


def test_memory_that_only_all_devices_together_could_have_is_told():
    """Operators that need more on two devices: no single change is enough."""
    problem = chain([1.0, 1.0], memory=50)
    ops = (
        msgspec.structs.replace(problem.ops[0], seconds={"a": 1.0}),
        msgspec.structs.replace(problem.ops[1], seconds={"b": 1.0}),
    )
    problem = msgspec.structs.replace(problem, ops=ops)

    answer = planning.plan(problem, "throughput")

    assert answer.shortage.nearest_change == "give every device 50 bytes of memory more"


def test_a_policy_that_finds_nothing_points_to_one_that_may():
    """Nothing is said to be infeasible that is not."""
    problem = chain([1.0, 1.0], memory=150)

    answer = planning.plan(problem, "latency", "single_device")

    assert (answer.verdict, answer.plan, answer.optimal) == ("infeasible", None, False)
    assert answer.shortage.nearest_change == "let --policy exact plan it"


@pytest.mark.parametrize("goal", ["energy", "cost"])
def test_goals_that_times_do_not_say_are_refused(goal):
    """Joules and money are not in a problem's times."""
    with pytest.raises(GoalUnsupportedError, match=goal):
        planning.plan(chain([1.0]), goal)


def test_an_unknown_policy_says_which_there_are():
    """And which file to add."""
    with pytest.raises(UnknownPluginError, match=r"add fleet/planner/policies/best\.py"):
        planning.plan(chain([1.0]), "latency", "best")
