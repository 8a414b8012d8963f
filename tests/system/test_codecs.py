"""Codecs from the command line to real workers."""

import numpy as np

from tests.system.place import until

DEVICES = ("d1", "d2", "d3")
CODECS = "entry=fp16,0=int8_token+zstd,1=fp16"


def test_a_pipeline_whose_edges_have_codecs(command, place, chain, tmp_path, in_process):
    """Tried, deployed, run: each edge as it was said, and answers that are near."""
    place.start(*DEVICES)
    infos = [
        until(lambda device=device: place.ear.last("info", device), f"info of {device}")
        for device in DEVICES
    ]
    given, taken = tmp_path / "x.npz", tmp_path / "y.npz"
    np.savez(given, **chain.inputs(0))
    deploy = ("deploy", chain.folder, "--to", ",".join(DEVICES), "--serve", place.artifacts)
    run = ("run", "p", "--input", given, "--output", taken, "--count", 5)

    code, refused = command(*deploy, "--codec", CODECS, "--max-relative-l2", "1e-6")
    assert (code, refused["error"]["code"]) == (5, "codec.refused")
    assert [place.reported(device).observed for device in DEVICES] == [(0, 0)] * 3
    code, deployed = command(*deploy, "--codec", CODECS, "--max-relative-l2", "0.05")
    assert (code, deployed["codecs"]) == (0, ["fp16", "int8_token+zstd", "fp16"])
    code, summary = command(*run)
    assert (code, summary["account"]["results"], summary["account"]["lost"]) == (0, 5, 0)

    assert place.ear.last("route", "p").codec == "fp16"
    assert all("int8_channel+zstd" in info.codecs for info in infos)
    with np.load(taken) as answer:
        apart = np.linalg.norm(answer["y"] - chain.expected(0))
    assert 0 < apart < 0.05 * np.linalg.norm(chain.expected(0))
