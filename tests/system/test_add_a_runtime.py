"""docs/add-a-runtime.md, done as it says: one file more, and nothing else changed."""

import json
import os
import re
import shutil

import numpy as np
import pytest

from tests.fixtures.installed_copy import ROOT, InstalledCopy
from tests.system.place import until

PAGE = (ROOT / "docs" / "add-a-runtime.md").read_text()
NAME = "onnx_reference"


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """Our packages with the page's file, saved where the page says."""
    (path,) = re.findall(r"Save it as\s+`(agent/runtimes/\w+\.py)`", PAGE)
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    made = InstalledCopy(tmp_path_factory.mktemp("copy"))
    made.add(path, code)
    return made


def test_it_is_proved_and_keeps_the_ports_promises(copy):
    """By a child, and by the same contract tests as all the others."""
    probed = json.loads(copy.module("agent", "probe", "--runtime", NAME).stdout)
    for path in ("tests/contract/test_runtimes.py", "tests/fixtures/tflite_models.py"):
        copy.add(path, (ROOT / path).read_text())
    shutil.copy(ROOT / "pyproject.toml", copy.packages)
    # as the page has it: without -I, which would hide the tests
    command = [copy.python, "-m", "pytest", "-q", "tests/contract", "-k", NAME]
    command += ["--basetemp", copy.packages / "scratch", "-p", "pytest_timeout"]
    only_ours = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    tested = copy.ran(*command, cwd=copy.packages, env=only_ours)

    (report,) = probed["runtimes"]
    assert (report["name"], report["works"], report["accelerator"]) == (NAME, True, "cpu")
    assert re.search(r"^\d+ passed", tested.stdout, re.MULTILINE), tested.stdout
    assert "skipped" not in tested.stdout


def test_an_agent_serves_with_it(copy, place, command, whole):
    """It was found and proved by its file alone; asked and actual are told."""
    place.programs["d1"] = [str(copy.python), "-I", "-m", "agent"]
    place.start("d1")
    until(lambda: place.ear.last("info", "d1"))
    deploy = ["deploy", whole.folder, "--to", "d1", "--serve", place.artifacts]
    deployed = command(*deploy, "--name", "p", "--runtime", NAME)
    assert deployed[0] == 0, deployed
    answer = place.site.pipeline("p").run(whole.inputs(0))["y"]
    (stage,) = command("status", "p")[1]["pipelines"][0]["stages"]

    np.testing.assert_allclose(answer, whole.expected(0), rtol=1e-4, atol=1e-5)
    assert (stage["runtime_asked"], stage["runtime"]) == (NAME, NAME)
    assert stage["degraded"] is None
