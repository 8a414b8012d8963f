"""Windows, and what is drawn of them."""

import pytest

from fleet.hub.account_book import Progress
from fleet.hub.durations import Durations
from fleet.hub.rollups import DeviceWindow, PipelineWindow
from fleet.hub.series import device_series, pipeline_series, step_of
from fleet.hub.windows import Windows
from wire.histogram import Histogram


def _progress(results, latency_ns):
    histogram = Histogram()
    for _ in range(results):
        histogram.add(latency_ns)
    latency = Durations.from_message(histogram.to_message())
    return Progress(results, results, 0, 0, latency)


def test_percentile_of_a_step_is_that_of_all_its_windows_together():
    """99 fast frames in one window and 99 slow ones in the next: the median is no average."""
    windows = Windows(10, 10, PipelineWindow)
    windows.at("p", 5.0).add(_progress(99, 1_000_000))
    windows.at("p", 15.0).add(_progress(101, 100_000_000))
    series = pipeline_series("p", windows.get("p"), 20.0, 20.0, 20)

    assert series.at_unix_seconds == (20.0,)
    assert series.frames_per_second == (10.0,)
    assert series.latency_seconds_p50[0] == pytest.approx(0.1, rel=0.07)


def test_steps_without_a_word_are_none_and_not_zero():
    """Nothing heard is not the same as nothing done."""
    windows = Windows(2, 10, PipelineWindow)
    windows.at("p", 1.0).add(_progress(4, 1))
    windows.at("p", 5.0).add(_progress(0, 1))
    series = pipeline_series("p", windows.get("p"), 7.0, 8.0, 2)

    assert series.at_unix_seconds == (0.0, 2.0, 4.0, 6.0)
    assert series.frames_per_second == (None, 2.0, None, 0.0)
    assert series.latency_seconds_p95[3] is None


def test_device_series_are_means():
    """Of all readings of a step, whichever window they were in."""
    windows = Windows(10, 10, DeviceWindow.empty)
    for at, value in ((1.0, 10.0), (2.0, 20.0), (11.0, 60.0)):
        windows.at("d", at).add({"thermal_celsius": value})
    series = device_series("d", windows.get("d"), 20.0, 20.0, 20)

    assert series.readings == {"thermal_celsius": (30.0,)}


def test_windows_outlive_encoding():
    """What is kept is what it was."""
    window = PipelineWindow()
    window.add(_progress(3, 5_000_000))
    device = DeviceWindow.empty()
    device.add({"cpu_busy_ratio": 0.25})

    assert PipelineWindow.decoded(window.encoded()) == window
    assert DeviceWindow.decoded(device.encoded()) == device


def test_changed_windows_are_told_once():
    """And closed ones alone, where that is asked."""
    windows = Windows(10, 10, DeviceWindow.empty)
    windows.at("d", 1.0)
    windows.at("d", 11.0)

    assert [end for _, end, _ in windows.changed(closed_by=15.0)] == [10]
    assert [end for _, end, _ in windows.changed()] == [20]
    assert list(windows.changed()) == []


def test_windows_are_bounded():
    """In time and in keys."""
    windows = Windows(1, 3, DeviceWindow.empty, most_keys=2)
    for second in range(10):
        windows.at("a", float(second))
    windows.at("b", 0.0)
    windows.at("c", 0.0)

    assert windows.get("a") == {}
    assert len(windows.get("c")) == 1


@pytest.mark.parametrize(("seconds", "step"), [(300, 2), (1440, 2), (1441, 4), (86_400, 120)])
def test_long_spans_have_longer_steps(seconds, step):
    """A chart has at most 720 points, each of whole windows."""
    assert step_of(seconds, 2) == step
