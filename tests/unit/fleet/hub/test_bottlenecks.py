"""What limits a pipeline."""

import msgspec
import pytest

from fleet.hub.bottlenecks import bottleneck
from fleet.hub.views import LinkView, ProblemView, StageView


def _stage(number, ratio=0.2, run=0.010, state="ok", reason=None):
    return StageView(
        stage=number,
        device=f"d{number}",
        segment=f"s{number}",
        state=state,
        phase="serving",
        presence="online",
        runtime_asked="onnx_cpu",
        runtime_actual="onnx_cpu",
        reason=reason,
        run_seconds_p50=run,
        utilisation_ratio=ratio,
    )


def _link(source, target, hop=0.001):
    return LinkView(
        source=source,
        target=target,
        link="mqtt",
        state="ok",
        hop_seconds_p50=hop,
        bytes_per_frame=600_000,
    )


NOW = 10**18
LINKS = [_link("client", "0"), _link("0", "1"), _link("1", "client")]


def test_busiest_stage_is_the_bottleneck():
    """When it is at work most of the time, all others wait for it."""
    found = bottleneck([_stage(0), _stage(1, 0.97, 0.095)], LINKS, 10.0, NOW)

    assert found.stage == 1
    assert "d1" in found.text
    assert "97%" in found.text


def test_of_several_replicas_the_busiest_is_the_bottleneck():
    """The others have room; where all stand still, it is all of them."""
    idle, busy = (
        msgspec.structs.replace(_stage(1, ratio), device=device)
        for device, ratio in (("d1", 0.6), ("d2", 0.97))
    )
    found = bottleneck([_stage(0), idle, busy], LINKS, 10.0, NOW)
    dead = [msgspec.structs.replace(one, state="error") for one in (idle, busy)]
    stopped = bottleneck([_stage(0), *dead], LINKS, 10.0, NOW)

    assert [found.is_at(one) for one in (_stage(0), idle, busy)] == [False, False, True]
    assert [stopped.is_at(one) for one in (_stage(0), *dead)] == [False, True, True]


def test_slow_hop_is_the_bottleneck_when_no_stage_is_busy():
    """Frames are longer on it than in any stage."""
    links = [LINKS[0], _link("0", "1", 0.080), LINKS[2]]
    found = bottleneck([_stage(0), _stage(1)], links, 10.0, NOW)

    assert (found.stage, found.link) == (None, ("0", "1"))
    assert "stage 0 to stage 1" in found.text


def test_slow_hop_that_is_seldom_used_limits_nothing():
    """A pipeline that is fed slowly is not limited by its links."""
    links = [LINKS[0], _link("0", "1", 0.080), LINKS[2]]
    found = bottleneck([_stage(0), _stage(1)], links, 2.0, NOW)

    assert found.link is None
    assert "source" in found.text


def test_stage_on_its_way_is_what_nothing_passes():
    """Its numbers are of before."""
    found = bottleneck([_stage(0, 0.99), _stage(1, state="busy")], LINKS, 3.0, NOW)

    assert found.stage == 1


def test_pipeline_that_has_just_come_back_is_not_judged():
    """Its rates are over a time in which it mostly stood still."""
    young = msgspec.structs.replace(_stage(1), since_unix_ns=NOW - 5 * 10**9)
    found = bottleneck([_stage(0), young], LINKS, 3.0, NOW)

    assert "has only begun to serve" in found.text


def test_source_is_the_bottleneck_when_nothing_else_is():
    """The pipeline could do more."""
    found = bottleneck([_stage(0), _stage(1)], LINKS, 10.0, NOW)

    assert (found.stage, found.link) == (None, None)
    assert "source" in found.text


def test_dead_stage_is_what_nothing_passes():
    """It is named first, with the reason."""
    why = ProblemView(code="device.lost", message="d1 is gone: power")
    found = bottleneck([_stage(0, 0.99), _stage(1, state="error", reason=why)], LINKS, 0.0, NOW)

    assert found.stage == 1
    assert "d1 is gone: power" in found.text


@pytest.mark.parametrize("frames_per_second", [None, 0.0])
def test_nothing_flows_so_nothing_limits(frames_per_second):
    """An idle pipeline has no bottleneck."""
    assert bottleneck([_stage(0), _stage(1)], LINKS, frames_per_second, NOW) is None
