"""``paceline split --for edgetpu``: checked, cut to fit, compiled here or elsewhere, and shown."""

import json
import subprocess

import pytest

from fleet import split_folder
from fleet.tflite.source import opened
from paceline import cli
from tests.fixtures import edgetpu_compiler
from tests.fixtures.int8_tflite import dense_chain, one
from tests.fixtures.tflite_builder import FLOAT32

pytestmark = pytest.mark.usefixtures("in_process")
PATH = "/usr/bin:/bin"


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Return what runs a command here, with no compiler on PATH, and its answer."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", PATH)

    def running(*arguments, code=0):
        got = cli.run([*arguments, "--json"])
        said = capsys.readouterr()
        assert got == code, said.err
        return json.loads(said.out)

    return running


@pytest.fixture
def with_compiler(tmp_path, monkeypatch):
    """Put a stand-in for the compiler on PATH."""
    program = edgetpu_compiler.install(tmp_path / "bin", "maps")
    monkeypatch.setenv("PATH", f"{program.parent}:{PATH}")


def files(folder):
    """Return the names of each segment's files."""
    made = split_folder.read(folder)
    return [tuple(file.name for file in segment.files) for segment in made.segments]


COMPILED = ("golden.frame", "segment.tflite", "segment_edgetpu.tflite")


def test_weights_fit_and_what_is_compiled_elsewhere_is_taken(run, tmp_path):
    """The fewest segments; commands for another machine; the same command takes their result."""
    (tmp_path / "m.tflite").write_bytes(dense_chain(layers=3, size=1600))
    split = ["split", "m.tflite", "--for", "edgetpu", "--out", "parts"]

    found = run(*split)

    assert [segment["weight_bytes"] < 7 << 20 for segment in found["segments"]] == [True] * 2
    assert found["edgetpu"]["operators"] == [
        {"kind": "FULLY_CONNECTED", "count": 3, "mapped": True, "reason": "", "first": ""}
    ]
    assert files(tmp_path / "parts") == [("golden.frame", "segment.tflite")] * 2

    program = edgetpu_compiler.install(tmp_path / "bin", "maps")
    script = "\n".join(found["edgetpu"]["commands"])
    subprocess.run(["sh", "-ec", script], check=True, stdout=subprocess.DEVNULL,
                   env={"PATH": f"{program.parent}:{PATH}"})  # fmt: skip
    again = run(*split, "--compiled", "parts-compiled")

    assert files(tmp_path / "parts") == [COMPILED] * 2
    assert again["edgetpu"]["commands"] == []
    assert [one["log"]["cpu_operators"] for one in again["edgetpu"]["segments"]] == [0, 0]
    verified = run("verify", "parts")
    assert verified["passes"]
    assert any("twins were run" in note for note in verified["notes"])


@pytest.mark.usefixtures("with_compiler")
def test_with_the_compiler_here_people_see_its_figures(tmp_path, monkeypatch, capsys):
    """And again by `show`; sizes that vary are fixed, as the compiler wants them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.tflite").write_bytes(dense_chain(varies=True))

    assert cli.run(["split", "m.tflite", "--for", "edgetpu", "--stages", "2", "--out", "p"]) == 0
    said = capsys.readouterr().out
    assert cli.run(["show", "p"]) == 0
    shown = capsys.readouterr().out

    for text in (said, shown):
        assert "3 of 3 operators of the model should map" in text
        assert "compiler 16.0.384591198" in text
        assert "edgetpu_compiler is not on PATH" not in text
    assert "sizes that vary in the model are fixed" in " ".join(said.split())
    assert files(tmp_path / "p") == [COMPILED] * 2
    for segment in (tmp_path / "p" / "segments").iterdir():
        with opened(segment / "segment.tflite") as source:
            assert all(tensor.signature is None for tensor in source.graph.tensors)


def test_a_model_that_mostly_stays_on_the_cpu_is_said_to(tmp_path, monkeypatch, capsys):
    """What keeps it there, and only the weights of what maps are expected on the chip."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.tflite").write_bytes(dense_chain(layers=3, between="LEAKY_RELU"))

    assert cli.run(["split", "m.tflite", "--for", "edgetpu", "--out", "parts"]) == 0

    said = " ".join(capsys.readouterr().out.split())
    assert "1 of 5 operators of the model should map" in said
    assert "Once it is compiled: paceline deploy parts --to DEVICE1" in said
    assert "What keeps it there: LEAKY_RELU. Export the model with other operators" in said
    (segment,) = split_folder.read_report(tmp_path / "parts").edgetpu.segments
    assert segment.expected_on_chip_bytes == 64 * 64 + 64 * 4


def test_a_compiler_that_needs_more_room_gets_smaller_segments(run, tmp_path, monkeypatch):
    """Until nothing is streamed; where somebody says how many, there are so many."""
    program = edgetpu_compiler.install(tmp_path / "bin", "pads")
    monkeypatch.setenv("PATH", f"{program.parent}:{PATH}")
    (tmp_path / "m.tflite").write_bytes(dense_chain(layers=3, size=1600))
    split = ["split", "m.tflite", "--for", "edgetpu", "--out", "parts"]

    found = run(*split)
    asked = run(*split, "--stages", "2")

    streams = [
        [one["log"]["off_chip_bytes"] > 0 for one in given["edgetpu"]["segments"]]
        for given in (found, asked)
    ]
    assert streams == [[False] * 3, [False, True]]


def test_a_float_model_is_refused_with_what_to_do(run, tmp_path):
    """Before anything is written."""
    (tmp_path / "m.tflite").write_bytes(one("RELU", (1, 4), (1, 4), dtype=FLOAT32))

    found = run("split", "m.tflite", "--for", "edgetpu", "--out", "parts", code=3)

    assert found["error"]["code"] == "edgetpu.not_int8"
    assert "ai-edge-quantizer" in found["error"]["message"]
    assert not (tmp_path / "parts").exists()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--compiled", "."], "--compiled: is for --for edgetpu alone"),
        (["--min-runtime", "13"], "--min-runtime: is for --for edgetpu alone"),
        (["--for", "edgetpu", "--min-runtime", "99"], "is no version of the Edge TPU runtime"),
        (["--for", "edgetpu", "--dim", "batch=4"], "sizes are those of the model's file"),
        (["--for", "edgetpu", "--compiled", "nowhere"], "--compiled nowhere: is no folder"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(run, options, problem):
    """With the one that is wrong."""
    found = run("split", "m.tflite", "--out", "p", "--stages", "1", *options, code=2)

    assert problem in found["error"]["message"]
