"""A processor under a quota: a part of each period, then nothing until the next."""

import pytest

from fleet.simulator.pipeline import Quota
from fleet.simulator.processor import Processor, elapsed
from tests.unit.fleet.simulator.pipelines import chain, simulated, worker

QUARTER = Quota(seconds=0.0025, period_seconds=0.010)


def test_work_that_a_period_has_time_for_is_done_at_once():
    """And what is left is for what comes next in the same period."""
    processor = Processor(QUARTER)

    assert processor.done_at(0.001, 0.002) == pytest.approx(0.003)
    assert processor.done_at(0.005, 0.001) == pytest.approx(0.0105)


def test_work_that_takes_longer_waits_for_the_next_periods():
    """Four periods' quota is used up in the fourth."""
    assert Processor(QUARTER).done_at(0.0, 0.010) == pytest.approx(0.0325)


def test_what_a_period_leaves_is_gone_with_it():
    """A long rest is worth no more than a short one."""
    assert Processor(QUARTER).done_at(1.0, 0.005) == pytest.approx(1.0125)
    assert Processor(QUARTER).done_at(0.009, 0.002) == pytest.approx(0.011)


def test_a_busy_worker_has_its_share_of_the_time():
    """Its throughput is the quota by the work."""
    busy = simulated(chain(worker("a", 0.008, quota=QUARTER)), window=4, frames=400).steady

    assert busy.frames_per_second.value == pytest.approx(1 / 0.032, rel=0.01)


def test_whoever_had_a_rest_is_done_sooner_than_its_share_of_the_time():
    """Work of about c under a quota q of period P takes cP/q - P + q on average, from any instant.

    Whoever is busy all the time begins with what another frame left of a period.
    """
    found = [elapsed(QUARTER, 0.0075 + 0.0025 * share / 50) for share in range(50)]

    assert sum(found) / 50 == pytest.approx(0.035 - 0.010 + 0.0025, rel=0.01)
    assert elapsed(QUARTER, 0.0001) == pytest.approx(0.0001, rel=0.01)
