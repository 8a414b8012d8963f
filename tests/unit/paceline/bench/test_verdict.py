"""What limits a pipeline, and which window to use."""

from paceline.bench.verdict import bottleneck, recommended
from tests.unit.paceline.bench.reports import level, part


def test_the_smallest_window_that_is_nearly_as_good_is_recommended():
    """More would only be latency."""
    levels = [level(1, 50), level(2, 97), level(3, 100), level(4, 99)]

    assert recommended(levels) == 2


def test_a_stage_that_hardly_rests_is_the_bottleneck():
    """Named with its devices and what it allows at most."""
    found = bottleneck([level(1, 50, stages=(0.004, 0.009)), level(4, 100, stages=(0.004, 0.009))])

    assert (found.kind, found.stage, found.devices) == ("stage", 1, ("d1",))
    assert "9.00 ms" in found.text
    assert "111.1 frames/s" in found.text


def test_too_few_frames_in_flight():
    """The largest window is still the best and no stage is busy."""
    found = bottleneck([level(1, 20, stages=(0.009,)), level(2, 40, stages=(0.009,))])

    assert found.kind == "window"
    assert "36%" in found.text


def test_what_is_between_the_stages():
    """More frames in flight give no more and no stage is busy."""
    hops = (part("hop", 0, 0.006), part("hop", None, 0.003), part("run", 0, 0.001))
    levels = [level(n, 40, stages=(0.002,), parts=hops) for n in (1, 2, 4)]
    found = bottleneck(levels)

    assert found.kind == "hops"
    assert "9.00 ms of each" in found.text
