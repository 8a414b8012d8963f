"""``paceline plan`` on real agents: what it prints next is carried out, and gives what it gave."""

import json
import shlex

import numpy as np
import pytest

from tests.system.chains import Chain
from tests.system.place import until
from wire import messages
from wire.messages import Info

FLEET = """\
devices:
  d1: {}
  d2: {}
  old: {speed: {like: d1, times: 9}}
links:
  d1<>d2: {link: tcp, bandwidth: 940Mbit, latency: 0.3ms}
  d1<>old: 940Mbit,0.3ms
source: d1
sink: d1
"""


@pytest.fixture
def planned(place, command, tmp_path, monkeypatch):
    """Two agents that measured a model, and a plan of two stages for them."""
    monkeypatch.setenv("PACELINE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    made = Chain(tmp_path, 2, rows=64, width=256)
    (tmp_path / "fleet.yaml").write_text(FLEET)
    place.start("d1", "d2")
    old = Info(device="old", version="0.1", runtimes=())
    place.ear.say(
        place.topics.device("info", "old"), messages.encode("info", old), qos=1, retain=True
    )
    until(lambda: place.ear.last("info", "d1") and place.ear.last("info", "d2"))
    measured = "profile", made.model, "--on", "d1,d2", "--seconds", "0.2"
    assert command(*measured, "--serve", place.artifacts)[0] == 0

    options = "--pin", "m0=d1", "--pin", "m5=d2"
    code, plan = command("plan", "chain.onnx", "--fleet", "fleet.yaml", *options)
    assert code == 0
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    return made, plan


def test_what_a_plan_prints_next_can_be_run(place, command, planned):
    """Split and deploy as printed, then deployed by the plan itself: answers are the model's.

    A device whose info lists no runtime is not planned with; links go as planned.
    """
    chain, plan = planned
    split, deploy = (shlex.split(line)[1:] for line in plan["next"])
    served = "--serve", place.artifacts
    np.savez("in.npz", **chain.inputs(0))

    assert plan["verdict"] == "split"
    assert plan["chosen"]["to"] == "d1,d2"
    assert any(note.startswith("old does not run onnx_cpu") for note in plan["notes"])
    assert command(*split)[0] == 0
    for options in (deploy, ["deploy", "parts", "--plan", "plan.json"]):
        code, made = command(*options, *served)
        assert (code, made["link"]) == (0, "tcp")
        assert [stage["device"] for stage in made["stages"]] == ["d1", "d2"]
        assert command("run", made["pipeline"], "--input", "in.npz", "--output", "out.npz")[0] == 0
        with np.load("out.npz") as answer:
            assert chain.right(0, answer)
    bench = "bench", "pipeline", made["pipeline"], "--seconds", "0.6", "--concurrency"
    code, found = command(*bench, "1,3")
    assert code == 0
    for level in found["levels"]:
        told = level["predicted"]
        assert told["window"] == level["concurrency"]
        assert level["error"]["frames_per_second"] == pytest.approx(
            told["frames_per_second"] / level["frames_per_second"] - 1
        )
    assert command("status")[1]["predicted"] == {made["pipeline"]: made["predicted"]}
    assert command(*deploy, *served)[0] == 0  # by itself again: this generation has no plan
    assert command(*bench, "1")[1]["levels"][0]["predicted"] is None
    assert command(*bench, "1", "--plan", "plan.json")[1]["levels"][0]["predicted"] is not None
