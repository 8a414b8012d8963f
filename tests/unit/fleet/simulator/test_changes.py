"""``--set`` and ``--kill``: what is understood, and what is said of the rest."""

import pytest

from fleet.planner.errors import NotAPlanError
from fleet.planner.plan import Stage
from fleet.planner.problem import Device, Link, Op, Problem
from fleet.simulator.build import built
from fleet.simulator.changes import changed, kills
from fleet.simulator.errors import BadChangeError
from fleet.simulator.pipeline import Kill
from tests.unit.fleet.simulator.pipelines import chain, worker

PIPELINE = chain(
    worker("pi-1", 0.010),
    worker("pi-2", 0.020),
    links={"cam>pi-1": (0.001, 1e6), "pi-1>pi-2": (0.002, 1e6), "pi-2>cam": (0.003, 1e6)},
    source="cam",
    sink="cam",
)


def test_a_link_is_given_another_rate_and_latency():
    """In the units that are used everywhere; jitter is the third."""
    link = changed(PIPELINE, "link:pi-1>pi-2=20Mbit,8ms,2ms").links["pi-1", "pi-2"]

    assert link.bytes_per_second == 2.5e6
    assert (link.latency_seconds, link.jitter_seconds) == (0.008, 0.002)


def test_what_is_not_said_of_a_link_stays():
    """Its rate here; ``<>`` is both ways."""
    links = changed(PIPELINE, "link:pi-1<>pi-2=8ms").links

    assert [links[way].latency_seconds for way in (("pi-1", "pi-2"), ("pi-2", "pi-1"))] == [
        0.008,
        0.008,
    ]
    assert links["pi-1", "pi-2"].bytes_per_second == 1e6


def test_a_device_is_given_another_speed_spread_and_costs():
    """Half as fast takes twice as long; nobody else changes."""
    pipeline = PIPELINE
    for change in ("pi-2.speed=0.5", "pi-2.spread=1.3", "pi-2.receive=1ms", "pi-2.send=200us"):
        pipeline = changed(pipeline, change)

    assert pipeline.stages[0] == PIPELINE.stages[0]
    assert pipeline.stages[1].workers == (
        worker("pi-2", 0.04, spread=1.3, receive_seconds=0.001, send_seconds=0.0002),
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("pi1.speed=0.5", "did you mean pi-1"),
        ("pi-1.sped=0.5", "did you mean speed"),
        ("link:pi1>pi-2=8ms", "did you mean pi-1>pi-2"),
        ("link:pi-1>pi-2=8", "'8' is not understood"),
        ("link:pi-1>pi-2=8ms,1ms,2ms", "'2ms' is not understood"),
        ("link:pi-1>pi-2=1ms,20ms", "at most 9 times the latency"),
        ("link:pi-1>pi-2=", "is not understood"),
        ("pi-1.speed=0", "from 0.001 to 1000"),
        ("pi-1.speed=nan", "from 0.001 to 1000"),
        ("pi-1.spread=0.5", "from 1 to 10"),
        ("pi-1.send=fast", "expected a time"),
        ("pi-1.speed", "says no value"),
        ("speed=2", "expected link:a>b=20Mbit,8ms"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(change, says):
    """With the nearest name, or what is expected."""
    with pytest.raises(BadChangeError, match=says) as refused:
        changed(PIPELINE, change)

    assert str(refused.value).startswith(f"{change}: ")


def test_deaths_are_in_the_order_of_their_times():
    """However they are written."""
    assert kills(PIPELINE, ["pi-2@10s", "pi-1@500ms"]) == (Kill("pi-1", 0.5), Kill("pi-2", 10.0))


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (["pi-3@1s"], "did you mean pi-"),
        (["pi-1"], "expected DEVICE@10s"),
        (["pi-1@soon"], "expected DEVICE@10s"),
        (["pi-1@2000000s"], "at most 3600 s"),
        (["pi-1@1s", "pi-1@2s"], "dies twice"),
    ],
)
def test_deaths_that_cannot_be_are_refused(texts, says):
    """By name."""
    with pytest.raises(BadChangeError, match=says):
        kills(PIPELINE, texts)


def test_the_clients_own_device_does_not_die():
    """Nothing would be left to tell."""
    here = chain(worker("a", 0.01), worker("b", 0.01), source="a")

    with pytest.raises(BadChangeError, match="where the client is"):
        kills(here, ["a@1s"])


REPLICATED = Problem(
    ops=(
        Op(name="x", seconds={"a": 0.01}, out_bytes=10),
        Op(name="y", seconds={"b": 0.02, "c": 0.03}),
    ),
    devices=(Device(id="a"), Device(id="b"), Device(id="c")),
    links=tuple(Link(from_="a", to=to, latency_seconds=0.001, bytes_per_second=1e6) for to in "bc"),
)


def test_neighbours_with_the_same_operators_are_replicas():
    """Each with its own speed."""
    made = built(REPLICATED, [Stage("a", 0, 0), Stage("b", 1, 1), Stage("c", 1, 1)])

    assert [stage.workers for stage in made.stages] == [
        (worker("a", 0.01),),
        (worker("b", 0.02), worker("c", 0.03)),
    ]


@pytest.mark.parametrize(
    "stages",
    [
        [Stage("a", 0, 0)],
        [Stage("a", 0, 0), Stage("b", 1, 1), Stage("b", 1, 1)],
        [Stage("a", 0, 0), Stage("a", 1, 1)],
        [Stage("b", 0, 0), Stage("c", 1, 1)],
        [],
    ],
)
def test_stages_that_are_no_plan_are_refused(stages):
    """As the planner's objective does."""
    with pytest.raises(NotAPlanError):
        built(REPLICATED, stages)
