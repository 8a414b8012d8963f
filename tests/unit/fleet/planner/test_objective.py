"""What a plan is worth, and what is none."""

import pytest

from fleet.planner.errors import NotAPlanError
from fleet.planner.objective import judge, timing
from fleet.planner.plan import Stage
from fleet.planner.problem import Device, Link, Op, Problem

PROBLEM = Problem(
    ops=(
        Op(
            name="first",
            seconds={"a": 1.0, "b": 5.0},
            weight_bytes=10,
            activation_bytes=5,
            out_bytes=800,
        ),
        Op(
            name="second",
            seconds={"a": 2.0, "b": 4.0},
            weight_bytes=20,
            activation_bytes=9,
            out_bytes=100,
        ),
        Op(name="third", seconds={"b": 3.0}, weight_bytes=30, activation_bytes=1),
    ),
    devices=(Device(id="a", memory_bytes=39), Device(id="b"), Device(id="c")),
    links=(
        Link(from_="a", to="b", latency_seconds=0.5, bytes_per_second=100.0),
        Link(from_="c", to="a", latency_seconds=0.25, bytes_per_second=10.0),
    ),
    source="c",
    sink="b",
    input_bytes=60,
    output_bytes=1000,
)


def test_throughput_is_the_largest_of_stages_and_transfers():
    """From the camera c: 6 s of transfer; a: 3 s; a to b: 1 s; b: 3 s; b is the sink."""
    plan = judge(PROBLEM, [Stage("a", 0, 1), Stage("b", 2, 2)], "throughput")

    assert plan.objective_seconds == 6.0


def test_latency_is_the_sum_of_stages_and_hops():
    """Transfers and latencies of all hops are in it: 6.25 + 3 + 1.5 + 3."""
    plan = judge(PROBLEM, [Stage("a", 0, 1), Stage("b", 2, 2)], "latency")

    assert plan.objective_seconds == 13.75


def test_the_parts_are_told_in_order():
    """For whoever simulates or draws them."""
    times = timing(PROBLEM, [Stage("a", 0, 0), Stage("b", 1, 2)])

    assert times.stage_seconds == (1.0, 7.0)
    assert [(hop.from_, hop.to, hop.size_bytes) for hop in times.hops] == [
        ("c", "a", 60),
        ("a", "b", 800),
    ]


@pytest.mark.parametrize(
    ("stages", "reason"),
    [
        ([], "not all of 3 operators"),
        ([Stage("b", 0, 1)], "not all of 3 operators"),
        ([Stage("a", 0, 1), Stage("b", 1, 2)], "not all of 3 operators"),
        ([Stage("b", 0, 3)], "not all of 3 operators"),
        ([Stage("a", 0, -1), Stage("b", 0, 2)], "not all of 3 operators"),
        ([Stage("b", 0, 0), Stage("a", 1, 1), Stage("b", 2, 2)], "two stages"),
        ([Stage("d", 0, 2)], "no device 'd'"),
        ([Stage("a", 0, 2)], "a cannot run operator 'third'"),
        ([Stage("b", 0, 2)], "no link from c to b"),
        ([Stage("b", 0, 0), Stage("a", 1, 1), Stage("c", 2, 2)], "c cannot run operator 'third'"),
    ],
)
def test_what_is_no_plan_is_refused_with_the_reason(stages, reason):
    """Whoever placed them, they are not judged."""
    with pytest.raises(NotAPlanError, match=reason):
        judge(PROBLEM, stages, "latency")


def test_memory_is_all_weights_and_the_largest_activation():
    """39 bytes hold 10 + 20 + 9; 38 do not."""
    devices = (Device(id="a", memory_bytes=38), *PROBLEM.devices[1:])
    small = Problem(
        ops=PROBLEM.ops, devices=devices, links=PROBLEM.links, source="c", input_bytes=1
    )

    with pytest.raises(NotAPlanError, match=r"a would need 39 bytes of memory \(it has 38\)"):
        judge(small, [Stage("a", 0, 1), Stage("b", 2, 2)], "latency")
