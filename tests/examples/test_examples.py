"""Each example runs from its one command, ends by itself, and says what it promises."""

import os
import re
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
SECONDS = 240
SAYS = {
    "vehicle-camera": r"(\d+) frames = (\d+) answers \+ (\d+) dropped \+ (\d+) late or failed",
    "medical-image": (
        r"(?s)patient 7: look again .*audit: 8 lines, signed"
        r".*at the broker: [1-9]\d+ messages, 0 with .*on disk: 0 files"
    ),
    "sensor-series": r"60 windows; the bearing began to fail at 40, heard at 4\d",
    "traffic-cameras": r"(?s)north/bridge: \d+ counts.*north/tunnel.*south/harbour: \d+ counts",
}


def test_every_example_is_run_and_told_of():
    """A folder with a page and a script; the table of them names each."""
    folders = {path.parent.name for path in EXAMPLES.glob("*/main.py")}
    table = (EXAMPLES / "README.md").read_text()

    assert folders == set(SAYS)
    for name in folders:
        assert f"[{name}]({name})" in table
        assert f"uv run examples/{name}/main.py" in (EXAMPLES / name / "README.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("name", SAYS)
def test_it_runs(name, tmp_path):
    """On real brokers and agents; nothing of it is left."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, EXAMPLES / name / "main.py"], env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        out, err = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)

    assert process.returncode == 0, out + err
    assert re.search(SAYS[name], out), out + err
    assert list(tmp_path.iterdir()) == []


def test_keras_helps_without_tensorflow():
    """`scripts/test-extra keras` runs it, in the environment that its own first lines describe."""
    script = EXAMPLES / "keras_submodels.py"
    done = subprocess.run(
        [sys.executable, script, "--help"], check=False, capture_output=True, text=True
    )
    header = re.search(r"(?m)^# /// script\n((?:# .*\n)+?)# ///$", script.read_text())
    described = tomllib.loads(re.sub(r"(?m)^# ", "", header[1]))

    assert done.returncode == 0, done.stderr
    assert "uv run examples/keras_submodels.py" in done.stdout
    assert any(package.startswith("tensorflow") for package in described["dependencies"])
    assert "[keras_submodels.py](keras_submodels.py)" in (EXAMPLES / "README.md").read_text()


def test_keras_ends_where_answers_are_not_its_own(monkeypatch, capsys):
    """Off by more than 1e-5, of another number, or no numbers: not one of them passes."""
    monkeypatch.syspath_prepend(EXAMPLES)
    import keras_submodels as example
    import numpy as np

    images, _ = example.drawn(20, seed=1)
    scores = np.zeros((20, 10), np.float32)
    example.compare("the same", scores + 9e-6, scores)

    assert images.shape == (20, 28, 28)
    assert np.array_equal(example.drawn(20, seed=1)[0], images)
    assert "20 answers, at most 9.0e-06" in capsys.readouterr().out
    for wrong in (scores + 2e-5, scores[:19], scores + np.nan):
        with pytest.raises(SystemExit, match=r"more than|instead of"):
            example.compare("others", wrong, scores)


def test_a_changed_audit_is_found(tmp_path, monkeypatch):
    """A line that was changed, removed, moved or signed by another; whole, it is counted."""
    monkeypatch.syspath_prepend(EXAMPLES / "medical-image")
    import audit
    import numpy as np
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key, path = Ed25519PrivateKey.generate(), tmp_path / "audit.jsonl"
    for number in range(4):  # opened anew each time: the chain goes on
        written = audit.Audit(path, "me", key)
        written.add({"x": np.array([number])}, {"y": np.array([1.0])}, None)
        written.close()
    lines = path.read_text().splitlines()

    assert audit.verify(path, key.public_key()) == 4
    with pytest.raises(ValueError, match="line 0 was changed"):
        audit.verify(path, Ed25519PrivateKey.generate().public_key())
    broken = {
        "line 1 was changed": [lines[0], lines[1].replace('"who":"me"', '"who":"I"'), *lines[2:]],
        "line 1 does not follow": [lines[0], *lines[2:]],
        "line 0 does not follow": [lines[1], lines[0], *lines[2:]],
        "line 2 was changed": [*lines[:2], "{}", lines[3]],
    }
    for problem, changed in broken.items():
        path.write_text("\n".join(changed) + "\n")
        with pytest.raises(ValueError, match=problem):
            audit.verify(path, key.public_key())
