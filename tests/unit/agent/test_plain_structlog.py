"""What a worker's memory is not spent on; and what was put aside works all the same."""

import subprocess
import sys

import pytest


def said(script):
    """What a fresh process prints."""
    command = [sys.executable, "-c", script]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_a_worker_holds_no_event_loop_and_no_tables_of_processes():
    """Some 10 MB: it is there once for each segment on a device."""
    unwanted = ("asyncio", "psutil", "rich", "paho", "tempfile", "difflib", "wire.tflite")
    mine = "import sys, agent.worker.process, agent.runtimes.onnx_cpu"
    script = f"{mine}; print([m for m in {unwanted} if m in sys.modules])"

    assert said(script) == "[]"


@pytest.mark.parametrize("before", ["", "import asyncio; "])
def test_logging_from_a_coroutine_works(before):
    """What it needs is imported then, and is the same for everybody."""
    script = (
        f"{before}import agent, structlog, structlog.stdlib, asyncio\n"
        "print(asyncio.run(structlog.get_logger().ainfo('hello', n=1)))\n"
        "print(structlog.stdlib.asyncio.get_running_loop is asyncio.get_running_loop)\n"
    )

    assert said(script).split()[-4:] == ["hello", "n=1", "None", "True"]
