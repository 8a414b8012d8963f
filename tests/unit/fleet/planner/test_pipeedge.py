"""PipeEdge's programme, where its model of links is the truth."""

import msgspec
import pytest

from fleet.planner import planning
from fleet.planner.problem import Device, Link
from tests.unit.fleet.planner.instances import random_problem


@pytest.mark.parametrize("seed", range(30))
def test_in_its_own_model_it_finds_the_optimum(seed):
    """Links as fast as the slower card, no latency, no source: two searches, one answer.

    Two devices have the fastest card, so that each card shows on some link.
    """
    problem = random_problem(seed, most_ops=15, most_devices=5, limited=False)
    first = problem.devices[0].id
    ops = tuple(
        msgspec.structs.replace(
            op, seconds={**op.seconds, first: op.seconds.get(first, 0.1), "twin": 0.05}
        )
        for op in problem.ops
    )
    ids = [*problem.device, "twin"]
    cards = {id_: 1e6 / (1 + index) for index, id_ in enumerate(ids)} | {"twin": 1e6}
    problem = msgspec.structs.replace(
        problem,
        ops=ops,
        devices=(*problem.devices, Device(id="twin")),
        links=tuple(
            Link(from_=a, to=b, latency_seconds=0.0, bytes_per_second=min(cards[a], cards[b]))
            for a in ids
            for b in ids
            if a != b
        ),
        source=None,
        sink=None,
    )

    best = planning.plan(problem, "throughput").plan
    found = planning.plan(problem, "throughput", "pipeedge").plan

    assert found.objective_seconds == pytest.approx(best.objective_seconds, rel=1e-9)
