"""What a plan predicted beside what was measured: figures, table, picture."""

import io
from xml.etree import ElementTree

import pytest
from rich.console import Console

from paceline.bench import pipeline_view, predictions
from paceline.bench.curve import curve
from paceline.bench.errors import OtherPlanError
from tests.unit.fleet.simulator.pipelines import chain, worker
from tests.unit.paceline.bench.reports import level
from tests.unit.paceline.bench.test_views import pipeline
from wire.messages import Route, RouteStage

PLANNED = chain(worker("d0", 0.010), worker("d1", 0.020))


@pytest.fixture(scope="module")
def levels():
    """Two windows of a pipeline that was planned to do 50 frames/s and does 40."""
    measured = (level(1, 33.3, p50=0.030), level(4, 40, p50=0.1))
    return predictions.with_predictions(measured, PLANNED, 10.0)


def test_each_window_has_its_prediction_and_the_error(levels):
    """By the same figures that were measured."""
    alone, full = levels

    assert alone.error.frames_per_second == pytest.approx(0, abs=0.01)
    assert alone.error.latency_p50_seconds == pytest.approx(0, abs=0.01)
    assert full.predicted.frames_per_second == pytest.approx(50, rel=0.01)
    assert full.error.frames_per_second == pytest.approx(0.25, rel=0.05)


def test_people_see_both_and_by_how_much_it_was_off(levels):
    """In a table of its own; without a plan there is none."""
    console = Console(file=io.StringIO(), width=100)
    pipeline_view.show(console, pipeline(*levels))
    with_plan = console.file.getvalue()
    pipeline_view.show(console, pipeline(level(1, 33.3)))

    row = next(line for line in with_plan.splitlines() if "+25%" in line)
    assert row.split()[:4] == ["4", "50.0", "40.0", "+25%"]
    assert "frames/s is 13% off" in with_plan
    assert "predicted" not in console.file.getvalue()[len(with_plan) :]


def test_the_picture_has_dotted_lines_for_what_was_predicted(levels):
    """Within its frame, though more was predicted than measured."""
    root = ElementTree.fromstring(curve(pipeline(*levels)))
    dotted = [e.get("d") for e in root.iter() if "predicted" in (e.get("class") or "")]
    heights = [float(point.split()[1]) for d in dotted for point in d[1:].split("L")]

    assert len(dotted) == 3
    assert all(96 <= height <= 96 + 2 * 170 + 56 for height in heights)
    assert not [
        e for e in ElementTree.fromstring(curve(pipeline(level(1, 33.3)))).iter()
        if "predicted" in (e.get("class") or "")
    ]  # fmt: skip


@pytest.mark.parametrize(("devices", "same"), [(("d0", "d1"), True), (("d1", "d0"), False)])
def test_a_plan_of_other_devices_is_refused(devices, same):
    """Both placements are named."""
    stages = tuple(
        RouteStage(stage=n, device=device, segment=f"s{n}", runtime="onnx_cpu")
        for n, device in enumerate(devices)
    )
    route = Route(
        pipeline="p", generation=1, epoch=1, manifest="0" * 64, stages=stages, receives=(),
        outputs=(),
    )  # fmt: skip
    if same:
        predictions.check("plan.json", PLANNED, route)
        return
    with pytest.raises(OtherPlanError, match=r"stages on d0,d1, but p runs on d1,d0"):
        predictions.check("plan.json", PLANNED, route)
