"""A plan of a model, simulated with all that was measured of its devices and links."""

import json

import pytest

from fleet.profiles import kept
from paceline import cli
from tests.unit.fleet.profiles import link_records
from tests.unit.paceline.test_plan_model import FLEET, place, planned

__all__ = ["place"]
CUT_BYTES = 64 * 512 * 4
SMALL = FLEET.replace("1GiB", "6.2MiB")
"""No device holds the whole model."""


@pytest.fixture
def simulated(place, capsys):
    """Give a function that plans and simulates; it returns both answers."""

    def run(*options, fleet=SMALL, settings=(), change=lambda plan: plan, code=0):
        (place / "fleet.yaml").write_text(fleet)
        plan = planned(place, capsys, *options)
        (place / "plan.json").write_text(json.dumps(change(plan)))
        got = cli.run(["simulate", str(place / "plan.json"), "--frames", "500", "--json",
                       *settings])  # fmt: skip
        said = capsys.readouterr()
        assert got == code, said.err
        return plan, json.loads(said.out) if code == 0 else said.err

    return run


def measured(place):
    """Keep what links between both devices take, and leave it out of the fleet file."""
    for source, target in (("pi-1", "pi-2"), ("pi-2", "pi-1")):
        made = link_records.link(source, target, "mqtt", sizes=(1000, CUT_BYTES), rate=1e9)
        kept.write(place / "cache" / "profiles", f"links-{source}.json", made)
    return SMALL.replace("links:\n  pi-1<>pi-2: 940Mbit,0.3ms\n", "")


def test_the_spread_of_the_profile_reaches_the_simulator(simulated):
    """Times have the mean that was measured, and the ninetieth percentile by their median."""
    plan, found = simulated("--codec", "raw")
    _, constant = simulated(
        "--codec", "raw", settings=("--set", "pi-1.spread=1", "--set", "pi-2.spread=1")
    )

    workers = [stage["workers"][0] for stage in plan["pipeline"]["stages"]]
    assert [worker["spread"] for worker in workers] == pytest.approx([1.2, 1.2])
    mean = sum(stage["seconds"] for stage in plan["chosen"]["stages"])
    assert 0.9 * mean < sum(worker["run_seconds"] for worker in workers) < mean
    latency = found["steady"]["latency_mean_seconds"]
    assert latency["high"] > latency["low"]
    assert constant["steady"]["latency_mean_seconds"]["high"] == pytest.approx(
        constant["steady"]["latency_mean_seconds"]["low"]
    )


def test_a_measured_link_brings_jitter_and_what_it_costs_its_ends(simulated, place):
    """Workers pay for sending; for receiving where no core is left, which is not so here."""
    plan, _ = simulated("--codec", "raw", fleet=measured(place))

    first, last = (stage["workers"][0] for stage in plan["pipeline"]["stages"])
    links = {(link["from"], link["to"]): link for link in plan["pipeline"]["links"]}
    way = links[first["device"], last["device"]]
    assert first["send_seconds"] == pytest.approx(0.001)
    assert last["receive_seconds"] == 0
    assert way["jitter_seconds"] == pytest.approx(0.002 * 0.25)
    assert plan["links"][0]["report"]["sizes"][1]["receiver_cpu_seconds"] == 0.002


def test_a_codec_makes_frames_smaller_and_keeps_both_workers_busy(simulated):
    """Its bytes travel, and its seconds are those of whoever encodes and decodes."""
    slow = SMALL.replace("940Mbit", "20Mbit").replace("sink: pi-1", "sink: pi-2")
    plan, _ = simulated("--codec", "int8_channel", fleet=slow)

    first, last = plan["pipeline"]["stages"]
    assert first["out_bytes"] == CUT_BYTES / 4
    assert first["workers"][0]["send_seconds"] > last["workers"][0]["handling_seconds"] > 0


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("run_seconds", 0, "> 0.0"),
        ("spread", 0.5, ">= 1.0"),
        ("device", "pi-9", "no link from"),
        ("weight", 3, "unknown field"),
        ("quota", {"seconds": 0.05, "period_seconds": 0.1}, "'pi-2' has a quota and sends beside"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_by_name(simulated, field, value, problem):
    """Somebody may have changed the file."""

    def change(plan):
        plan["pipeline"]["stages"][0]["workers"][0][field] = value
        return plan

    _, error = simulated("--codec", "raw", change=change, code=3)

    assert "pipeline: " in error
    assert problem in error
