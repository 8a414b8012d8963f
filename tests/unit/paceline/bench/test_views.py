"""What people see, and what ``--json`` prints."""

import io
from xml.etree import ElementTree

import pytest
from rich.console import Console

from paceline.bench import hop_report, pipeline_view
from paceline.bench.curve import curve
from paceline.bench.hop_report import Cpu, HopReport, HopResult, Interval, Latency, Ratio
from paceline.bench.pipeline_view import PipelineReport, StageIs
from paceline.bench.text import cpu_text, latency_text
from paceline.bench.verdict import bottleneck, recommended
from tests.unit.paceline.bench.reports import level, part


def result(link, broker=0.00012):
    """Return one link's figures."""
    cpu = Cpu(sender=0.00008, receiver=0.00009, broker=broker)
    return HopResult(
        link=link, latency_seconds=Latency(p50=0.00031, p95=0.0012, p50_interval=(0.0003, 0.00032)),
        cpu_seconds=cpu, cpu_seconds_back_to_back=cpu, frames_per_second=2100.0,
        bytes_per_second=2100 * 614400.0,
    )  # fmt: skip


def hops(*links):
    """Return a report of these links."""
    three = Interval(median=3.0, low=2.5, high=3.5)
    ratio = Ratio(latency=three, cpu=three, cpu_back_to_back=three)
    return HopReport(
        bytes=614400, frames=200, load_average=1.25, broker="mosquitto 2.0.11",
        links=tuple(map(result, links)),
        ratios=dict.fromkeys(links[1:], ratio),
    )  # fmt: skip


def pipeline(*levels, ended_by=None, failed=None):
    """Return a report of these levels."""
    return PipelineReport(
        pipeline="detector", generation=3,
        stages=(
            StageIs(stage=0, device="a", runtime="onnx_cpu"),
            StageIs(stage=1, device="b", runtime="onnx_cpu"),
            StageIs(stage=1, device="c", runtime="onnx_cpu"),
        ),
        inputs="random", load_average=0.5, levels=levels, bottleneck=bottleneck(levels),
        recommended_window=recommended(levels), failed=failed or {}, ended_by=ended_by,
    )  # fmt: skip


LEVELS = (
    level(1, 50, p50=0.02, stages=(0.009,)),
    level(2, 97, p50=0.021, stages=(0.009,), parts=(part("hop", 0, 0.001), part("run", 0, 0.009))),
    level(4, 98, p50=0.04, stages=(0.009,), stable=False, parts=(part("hops", None, 0.03),)),
)


def shown(show, report):
    """Return what a console of 80 columns shows."""
    console = Console(file=io.StringIO(), width=80)
    show(console, report)
    return console.file.getvalue()


def test_one_links_figures_stand_at_the_top():
    """As the issue's readers expect them; several are a list with ratios."""
    one, two = hops("mqtt").plain(), hops("mqtt", "paho").plain()

    assert one["latency_seconds"]["p50"] == 0.00031
    assert one["cpu_seconds"] == {"sender": 0.00008, "receiver": 0.00009, "broker": 0.00012}
    assert {"frames_per_second", "bytes_per_second", "load_average"} <= set(one)
    assert "ratios" not in one
    assert [link["link"] for link in two["links"]] == ["mqtt", "paho"]
    assert two["ratios"]["paho"]["cpu"]["median"] == 3.0


def test_hops_for_people():
    """Every link a row, beside the first; the load is told."""
    text = shown(hop_report.show, hops("mqtt", "paho"))

    for part_of in (
        "mosquitto 2.0.11",
        "600.0 KiB",
        "0.310 ms",
        "80 us",
        "3.00x",
        "1.2",
    ):
        assert part_of in text


def test_pipelines_for_people():
    """Levels, where time goes, what limits, which window; replicas stand together."""
    text = shown(pipeline_view.show, pipeline(*LEVELS, failed={"worker.lost": 2}))

    for part_of in (
        "a (onnx_cpu) -> b (onnx_cpu) | c (onnx_cpu)", "98.0*", "97.0", "with 4 in flight",
        "all hops (their clocks differ)", "stage 0 on d0", "--window 2", "2 x worker.lost",
    ):  # fmt: skip
        assert part_of in text


def test_a_star_is_explained_only_where_one_stands():
    """A level that did not become stable has one."""
    assert "* not stable" in shown(pipeline_view.show, pipeline(*LEVELS))
    assert "not stable" not in shown(pipeline_view.show, pipeline(*LEVELS[:2]))


def test_an_interrupted_run_says_so():
    """Its figures are those of the levels that were finished."""
    assert "not all was measured: interrupted" in shown(
        pipeline_view.show, pipeline(*LEVELS[:1], ended_by="interrupted")
    )


@pytest.mark.parametrize("levels", [LEVELS, LEVELS[:1]])
def test_the_picture_is_one_file_that_parses(levels):
    """Also of a single level; every level is marked on the axis."""
    picture = curve(pipeline(*levels))
    texts = {element.text for element in ElementTree.fromstring(picture).iter()}

    assert {str(one.concurrency) for one in levels} <= texts
    assert "recommended" in texts


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.000312, "0.312 ms"), (0.00842, "8.42 ms"), (0.0123, "12.3 ms"), (1.2, "1.20 s")],
)
def test_latencies_have_three_digits(seconds, expected):
    """From microseconds to seconds."""
    assert latency_text(seconds) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"), [(None, "-"), (0.000085, "85 us"), (0.012, "12.0 ms")]
)
def test_processor_time_for_people(seconds, expected):
    """A dash where it is not known."""
    assert cpu_text(seconds) == expected
