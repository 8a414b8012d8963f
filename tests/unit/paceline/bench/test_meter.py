"""When a level was measured long enough."""

import pytest

from paceline.bench.meter import Meter, Rules
from tests.unit.paceline.bench.reports import MS, answer

RULES = Rules(window_seconds=1.0, within=0.1, most_seconds=20.0)


def metered(times_ms, *, concurrency=1, latency_ms=20, rules=RULES):
    """Return a meter that took results at these instants until it was over, and how many."""
    meter = Meter(concurrency, rules, 0)
    taken = 0
    for at in times_ms:
        if meter.over:
            break
        meter.take(answer(at, latency_ms))
        taken += 1
    return meter, taken


def test_a_steady_pipeline_is_over_after_three_windows():
    """Its rate is that of the answers, not of the clock around them."""
    meter, taken = metered(range(0, 30_000, 50))
    answers, seconds = meter.measured()

    assert meter.stable
    assert len(answers) / seconds == pytest.approx(20)
    assert taken == 61


def test_what_fills_the_pipeline_does_not_count():
    """The first answers, one for each frame in flight, come as they like."""
    slow_start = [5000, 6000, 7000, 8000]
    meter, _ = metered([*slow_start, *range(8050, 30_000, 50)], concurrency=4)
    answers, seconds = meter.measured()

    assert len(answers) / seconds == pytest.approx(20)


def test_a_pipeline_that_becomes_slower_is_measured_until_time_is_up():
    """It is told to be not stable, and the last windows are what counts."""
    times = [0.0]
    while times[-1] < 40_000:
        times.append(times[-1] * 1.02 + 20)
    meter, _ = metered(times)
    answers, seconds = meter.measured()

    assert not meter.stable
    assert meter.over
    assert answers[-1].answered_ns <= 20_000 * MS * 1.02 + 20 * MS
    assert seconds > 0


def test_slow_pipelines_get_longer_windows():
    """A window of measurement has at least ten frames."""
    meter, taken = metered(range(0, 60_000, 500), rules=Rules(most_seconds=60))

    assert meter.stable
    assert taken == 31


def test_latency_must_be_stable_too():
    """A queue that grows shows in latency first."""
    meter = Meter(1, RULES, 0)
    for number in range(100):
        meter.take(answer(number * 50, latency_ms=20 + number))

    assert not meter.stable


def test_failures_are_counted_by_reason_and_end_it_in_time():
    """A pipeline that answers with errors alone is not measured for ever."""
    meter = Meter(1, RULES, 0)
    for at in range(0, 19_999, 1000):
        meter.take(answer(at, reason="worker.lost"))
    assert not meter.over

    meter.take(answer(20_000, reason="frame.deadline"))

    assert meter.over
    assert meter.failed == {"worker.lost": 20, "frame.deadline": 1}
    assert meter.measured() == ([], 0)


def test_what_comes_behind_its_end_is_not_measured():
    """Frames in flight then have less company."""
    meter, _ = metered(range(0, 30_000, 50))
    before = meter.measured()

    meter.take(answer(90_000))

    assert meter.measured() == before


def test_a_short_level_counts_what_there_is():
    """Time is up before the first window is full."""
    meter, _ = metered(range(0, 500, 50), rules=Rules(most_seconds=0.3))
    answers, seconds = meter.measured()

    assert len(answers) == 6
    assert seconds == pytest.approx(0.3)
