"""``paceline doctor`` on a machine whose runtimes are broken: each found, the others proved."""

import json

from tests.fixtures.installed_copy import InstalledCopy
from tests.unit.agent.doctor.machines import distribution

CRASHES = '''
"""A runtime whose library ends the process."""
import ctypes
from agent.runtimes.identity import IdentityRuntime
from agent.runtimes import Capability


class Crashing(IdentityRuntime):
    """Reads where nothing is."""

    @classmethod
    def detect(cls):
        """It looks as if it were there."""
        return (Capability("crashing", "npu:0", memory_bytes=None),)

    @classmethod
    def prove(cls, accelerator=""):
        """It is not."""
        ctypes.string_at(0)


PLUGIN = Crashing
'''


def test_a_library_that_crashes_and_a_build_without_its_device(tmp_path):
    """Found with evidence and a fix line, exit 7; what works is proved nevertheless."""
    copy = InstalledCopy(tmp_path)
    copy.add("agent/runtimes/crashing.py", CRASHES)
    files = ["onnxruntime/__init__.py"]
    distribution(copy.site_packages, "onnxruntime-gpu", "1.31.1", files=files)
    home = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}

    ended = copy.module("paceline", "doctor", "--json", check=False, env=home)
    report = json.loads(ended.stdout.splitlines()[-1])
    found = [f for e in report["examinations"] for f in e["findings"]]
    problems = {(f["id"], f["evidence"]): f["fix"] for f in found if f["severity"] == "problem"}

    def the(finding, words):
        (fix,) = [f for (about, said), f in problems.items() if about == finding and words in said]
        return fix

    assert ended.returncode == 7
    assert the("runtimes.proof", "crashing is installed and does not work: its proof was ended")
    assert "its proof was ended by SIGSEGV'" in str(problems)
    assert "paceline[cpu]" in the("runtimes.build", "onnxruntime-gpu 1.31.1 is installed")
    assert "uninstall" in the("packages.onnxruntime", "both own the import name onnxruntime")
    proved = [f["evidence"] for f in found if (f["id"], f["severity"]) == ("runtimes.proof", "ok")]
    assert [said for said in proved if said.startswith("onnx_cpu ")]
    assert [said for said in proved if said.startswith("tflite_cpu ")]
