"""The command line against real agents."""

import numpy as np

from tests.system.place import until

DEVICES = ("d1", "d2", "d3")


def test_from_a_model_to_answers_and_back_to_nothing(command, place, chain, tmp_path):
    """split, verify, deploy, status, run, undeploy: what a first evening looks like."""
    place.start(*DEVICES)
    for device in DEVICES:
        until(lambda device=device: place.ear.last("info", device), f"info of {device}")
    parts, given, taken = tmp_path / "parts", tmp_path / "x.npz", tmp_path / "y.npz"
    np.savez(given, **chain.inputs(0))
    run = ("run", "first", "--input", given, "--output", taken, "--count", 5)
    deploy = ("deploy", parts, "--to", ",".join(DEVICES), "--serve", place.artifacts)

    assert command("split", chain.model, "--stages", 3, "--out", parts, "--name", "first")[0] == 0
    assert command("verify", parts)[1]["bit_equal"] is True
    code, deployed = command(*deploy)
    assert (code, [s["device"] for s in deployed["stages"]]) == (0, list(DEVICES))
    code, status = command("status")
    assert (code, [p["state"] for p in status["pipelines"]]) == (0, ["serving"])
    code, summary = command(*run)
    assert (code, summary["account"]["results"], summary["account"]["lost"]) == (0, 5, 0)
    with np.load(taken) as answer:
        assert chain.right(0, answer)
    assert command("undeploy", "first")[0] == 0
    assert command("status")[1]["pipelines"] == []
    assert command("undeploy", "first")[1]["error"]["code"] == "deploy.not_deployed"
    assert command(*run)[1]["error"]["code"] == "pipeline.unknown"


def test_a_pipeline_that_nobody_deployed_is_unknown(command):
    """Told from a broker that is not there."""
    code, answer = command("status", "ghost")

    assert (code, answer["error"]["code"]) == (6, "pipeline.unknown")
