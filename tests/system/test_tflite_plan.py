"""A TFLite model goes the whole way: measured by agents, planned, cut, deployed, answered."""

import shlex

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from tests.fixtures.tflite_builder import chain
from tests.system.place import until

FLEET = """\
devices: {d1: {}, d2: {}}
links: {"d1<>d2": "940Mbit,0.3ms"}
source: d1
sink: d1
"""


def test_what_a_plan_of_a_tflite_model_prints_next_can_be_run(
    place, command, tmp_path, monkeypatch
):
    """The same commands as for ONNX; the segments are served by tflite_cpu."""
    monkeypatch.setenv("PACELINE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.tflite").write_bytes(chain().data())
    (tmp_path / "fleet.yaml").write_text(FLEET)
    place.start("d1", "d2")
    until(lambda: place.ear.last("info", "d1") and place.ear.last("info", "d2"))
    quick = "--on", "d1,d2", "--seconds", "0.2", "--serve", place.artifacts
    code, measured = command("profile", "model.tflite", *quick)
    assert code == 0
    reports = [one["parts"][0]["report"] for one in measured["profiles"]]
    assert [report["runtime"] for report in reports] == ["tflite_cpu"] * 2

    pins = "--pin", "convolved=d1", "--pin", "answer=d2"
    code, plan = command("plan", "model.tflite", "--fleet", "fleet.yaml", *pins)
    split, deploy = (shlex.split(line)[1:] for line in plan["next"])
    image = np.random.default_rng(3).random((1, 8, 8, 3), np.float32)
    np.savez("in.npz", image=image)

    assert (code, plan["verdict"], plan["chosen"]["to"]) == (0, "split", "d1,d2")
    assert command(*split)[0] == 0
    assert command("verify", "parts", "--model", "model.tflite")[1]["bit_equal"]
    code, made = command(*deploy, "--serve", place.artifacts)
    assert [stage["runtime"] for stage in made["stages"]] == ["tflite_cpu"] * 2
    run = "run", made["pipeline"], "--input", "in.npz", "--output", "out.npz"
    assert (code, command(*run)[0]) == (0, 0)
    with np.load("out.npz") as answer:
        np.testing.assert_allclose(answer["answer"], whole(image), rtol=1e-5, atol=1e-6)


def whole(image):
    """Return what the model itself makes of a picture."""
    interpreter = Interpreter(model_path="model.tflite")
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
