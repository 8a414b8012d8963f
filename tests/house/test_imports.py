"""House rule: the supervisor is a small process; it loads no numbers library and no runtime."""

import subprocess
import sys

import pytest

ABSENT = (
    "numpy", "onnxruntime", "onnx", "PIL", "fleet", "paceline", "wire.codecs", "wire.links",
    "agent.runtimes", "agent.worker",
)  # fmt: skip


def loaded_by(module, absent=ABSENT):
    """Return which of ``absent`` a fresh interpreter holds after importing ``module``."""
    code = (
        f"import sys, {module}\n"
        f"print(*[name for name in {absent!r} if name in sys.modules], sep='\\n')"
    )
    child = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert child.returncode == 0, child.stderr
    return child.stdout.split()


@pytest.mark.parametrize(
    "module", ["agent.supervisor.daemon", "agent.service", "agent.__main__", "agent.config"]
)
def test_the_supervisor_stays_small(module):
    """Whatever it imports indirectly is counted: only a fresh process can tell."""
    assert loaded_by(module) == []


def test_a_child_begins_with_little():
    """There are many, and each is short: it loads nothing of the service, and logs nothing."""
    absent = ("asyncio", "structlog", "psutil", "yaml", "paho", "urllib3", "agent.service")

    assert loaded_by("agent.children", absent) == []


@pytest.mark.parametrize("module", ["agent.service", "agent.worker.process", "agent.profiling"])
def test_logs_of_a_device_bring_no_rich(module):
    """It would take 8 MB in each process; structlog does without."""
    assert loaded_by(f"structlog, {module}", ("rich",)) == ["rich"]
    assert loaded_by(f"{module}, structlog", ("rich",)) == []


def test_the_front_door_opens_without_numbers():
    """`import paceline` is quick: what needs arrays is imported on first use."""
    assert loaded_by("paceline") == ["paceline"]


def test_the_rule_sees_what_breaks_it():
    """A worker does load numpy, and the rule finds it."""
    assert "numpy" in loaded_by("agent.worker.serving")
