"""Where the time of a frame goes."""

import msgspec
import pytest

from paceline.bench import way
from tests.unit.paceline.bench.reports import answer, stage_times

KNOWN = [stage_times(0, 103), stage_times(1, 112)]
"""Received 3 ms after 100, each 7 ms inside; the client submitted at 101, sent at 102."""


def test_on_one_clock_every_hop_is_known():
    """In the order of the way, and the parts add up to the latency."""
    found = way.spent(answer(121, 20, timings=KNOWN), "here")

    assert list(found) == [
        ("credit", None), ("hop", 0), ("queue", 0), ("decode", 0), ("run", 0), ("encode", 0),
        ("hop", 1), ("queue", 1), ("decode", 1), ("run", 1), ("encode", 1), ("hop", None),
    ]  # fmt: skip
    assert found["hop", 1] == pytest.approx(0.002)
    assert found["run", 0] == pytest.approx(0.004)
    assert sum(found.values()) == pytest.approx(0.020)


def test_with_other_clocks_all_hops_together_are_known():
    """However wrong those clocks are."""
    strange = [stage_times(0, -9_000_000, clock="pi-1"), stage_times(1, 7_000_000, clock="pi-2")]
    found = way.spent(answer(121, 20, timings=strange), "here")

    assert found["hops", None] == pytest.approx(0.005)
    assert not [key for key in found if key[0] == "hop"]
    assert sum(found.values()) == pytest.approx(0.020)


def test_parts_are_means_and_shares_of_the_mean():
    """Of two frames."""
    answers = [answer(121, 20, timings=KNOWN), answer(131, 30, timings=KNOWN)]
    found = {(part.name, part.stage): part for part in way.parts(answers, "here")}

    assert found["hop", None].seconds == pytest.approx((0.002 + 0.012) / 2)
    assert sum(part.share for part in found.values()) == pytest.approx(1)
    assert way.parts([], "here") == ()


def test_a_stage_is_busy_while_its_thread_is():
    """Waiting is not work; with a replica each does half."""
    one = way.loads([answer(121, timings=KNOWN)], 100)
    replicas = [
        answer(121, timings=[stage_times(0, 103, device="a")]),
        answer(121, timings=[stage_times(0, 103, device="b")]),
    ]
    both = way.loads(replicas, 100)

    assert [(load.stage, load.busy_seconds) for load in one] == [(0, 0.006), (1, 0.006)]
    assert one[0].utilisation == pytest.approx(0.6)
    assert both[0].devices == ("a", "b")
    assert both[0].utilisation == pytest.approx(0.3)


def test_frames_that_ran_at_once_share_the_run():
    """Four in one run of 10 ms are 2.5 ms each."""
    batch = [stage_times(0, 100, run=8) for _ in range(4)]
    answers = [answer(121, timings=[entry]) for entry in batch]

    [load] = way.loads(answers, 100)

    assert load.busy_seconds == pytest.approx(0.0025)
    assert load.utilisation == pytest.approx(0.25)


def test_what_waits_behind_the_frame_before_is_not_worked_at():
    """Its run is over, and the stage runs others: it is in a queue again."""
    stage = stage_times(0, 103, encode=5)
    waits = msgspec.structs.replace(stage, leaving=stage.finished + 4_000_000)
    found = way.spent(answer(125, 24, timings=[waits]), "here")
    [load] = way.loads([answer(125, 24, timings=[waits])], 100)

    assert found["queue", 0] == pytest.approx(0.005)
    assert found["encode", 0] == pytest.approx(0.001)
    assert sum(found.values()) == pytest.approx(0.024)
    assert load.busy_seconds == pytest.approx(0.006)
