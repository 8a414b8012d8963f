"""What the demo plans: where it cuts, the verdicts, what it says, and what it predicts."""

import msgspec
import pytest

from fleet.model_plan.chain import Block, ModelChain
from fleet.simulator.predicting import Figures
from paceline.demo import planning
from paceline.demo.plan_summary import plan_summary, told
from paceline.demo.planning import Machine, planned
from tests.unit.fleet.profiles import records
from wire.manifest import ModelRef

BLOCKS = 9
WIDE, NARROW = 5_000_000, 1_000
DEVICES = ("device1", "device2", "device3")
HERE = Machine(cores=2, others_busy_ratio=0.0)


def chain(blocks=BLOCKS, narrow=(2, 5)):
    """Return a chain of equal blocks; cuts are wide but for those behind some of them."""
    return ModelChain(
        model=ModelRef(name="m.onnx", sha256="0" * 64, size_bytes=1),
        sizes={"x": (1, 4)},
        blocks=tuple(
            Block(
                operators=(f"o{n}",), kinds=("Conv",), multiply_accumulates=1, weight_bytes=1,
                activation_bytes=1, out_bytes=NARROW if n in narrow else WIDE, cut=(f"o{n}",),
            )
            for n in range(blocks)
        ),
        input_bytes=NARROW, input_float_bytes=NARROW, output_bytes=NARROW, cut_space="downsets",
        without_rule={},
    )  # fmt: skip


def profile(blocks=BLOCKS, run=0.090):
    """Return what the whole takes, each block the same."""
    times = [records.operator(n, run / blocks, kind="Conv") for n in range(blocks)]
    report = records.report(run=run, operators=times, kernels=times)
    part = msgspec.structs.replace(
        records.part(), operators=tuple(f"o{n}" for n in range(blocks)), constant=(), report=report
    )
    return records.profile(part)


def test_it_is_cut_where_little_crosses_and_stages_are_alike():
    """One segment for each agent, in their order."""
    plan = planned(chain(), profile(), DEVICES, HERE)

    assert plan.cuts == ("o2", "o5")
    assert [stage.device for stage in plan.shown.stages] == list(DEVICES)
    assert [stage.seconds for stage in plan.shown.stages] == pytest.approx([0.030] * 3)


def test_whole_models_on_all_agents_are_as_good_on_one_machine():
    """Cores, not agents, are what there is; a split sends more. One frame is soonest on one."""
    plan = planned(chain(), profile(), DEVICES, HERE)
    fast, soon = plan.throughput, plan.latency

    assert (fast.verdict, soon.verdict) == ("do not split", "do not split")
    assert fast.single == pytest.approx(1 / 0.091, rel=0.02)
    assert fast.replicas == pytest.approx(2 / 0.091, rel=0.02)
    assert fast.single < fast.split < fast.replicas
    assert soon.single < soon.split
    text = "\n".join(planning.lines(plan))
    assert "share 2 cores" in text
    assert "to show a pipeline: 3 segments 21." in text
    assert max(map(len, planning.lines(plan))) <= 69


def test_alone_there_is_nothing_to_split():
    """One agent serves all of it."""
    plan = planned(chain(), profile(), DEVICES[:1], HERE)

    assert plan.cuts == ()
    assert plan.throughput.split is None
    assert list(planning.lines(plan)) == ["one agent does 11.1 frames/s, a frame in 91 ms"]


def test_more_agents_than_places_to_cut():
    """There is no plan, and the splitter says what is possible."""
    assert planned(chain(2), profile(2), DEVICES, HERE) is None


def test_predicted_stands_beside_measured():
    """Full, it is as fast as both cores allow; the error is that of what was measured."""
    plan = planned(chain(), profile(), DEVICES, HERE)
    measured = Figures(frames_per_second=20, latency_p50_seconds=0.3, latency_p95_seconds=0.3)

    summary = plan_summary(plan, 6, measured)

    assert summary.predicted.window == 6
    assert summary.predicted.frames_per_second == pytest.approx(2 / 0.092, rel=0.05)
    assert summary.error.frames_per_second == pytest.approx(
        summary.predicted.frames_per_second / 20 - 1
    )
    assert f"measured 20.0: {summary.error.frames_per_second:+.0%}" in "\n".join(told(summary))
    assert msgspec.json.encode(summary)


def test_too_few_frames_compare_with_nothing():
    """It is said; and without a plan there is no summary of one."""
    summary = plan_summary(planned(chain(), profile(), DEVICES, HERE), 6, None)

    assert summary.error is None
    assert list(told(summary)) == ["too few frames to compare with what was predicted"]
    assert plan_summary(None, 6, None) is None


def test_what_others_use_is_not_there_for_us():
    """Half of two cores is one; it is said, and nobody takes all."""
    busy = Machine(cores=2, others_busy_ratio=0.5)
    plan = planned(chain(), profile(), DEVICES, busy)

    assert plan.predicted(6).frames_per_second == pytest.approx(1 / 0.092, rel=0.05)
    assert "so does what others use of them now: 50%" in list(planning.lines(plan))
    assert Machine(cores=2, others_busy_ratio=1.0).free == pytest.approx(0.2)
