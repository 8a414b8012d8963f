"""A worker's process that does what the test says, speaking the real channel."""

import sys

import pytest

SCRIPT = """
import os, signal, socket, sys, time
from agent import channel

*faults, descriptor = sys.argv[1:]
supervisor = socket.socket(fileno=int(descriptor))
inflow = channel.Inflow()
answers = {
    "Load": channel.Loaded(runtime="scripted", seconds=0.0),
    "WarmUp": channel.Warmed(seconds=0.0, max_abs_diff=0.0),
    "OpenInput": channel.Opened(),
    "CloseInput": channel.Drained(),
}


def say(message):
    supervisor.sendall(channel.encode(message))


def misbehave(fault):
    match fault:
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "fail":
            say(channel.Failed(code="model.refused", message="an operator is unknown"))
            sys.exit(1)
        case "noise":
            supervisor.sendall(bytes(64))
            time.sleep(60)
        case "hang":
            time.sleep(60)
        case "hung":
            say(channel.Hung(message="a run did not end", seconds=31.0))
            os._exit(3)
        case "answer-and-die":
            say(answers[name])
            time.sleep(0.05)
            os.kill(os.getpid(), signal.SIGKILL)


while data := supervisor.recv(1 << 16):
    for order in inflow.orders(data):
        name = type(order).__name__
        for fault, at in (f.split(":") for f in faults):
            if at == name:
                misbehave(fault)
        if name == "Load":
            say(channel.Using(runtime="scripted", accelerator="none"))
        say(answers[name])
        if name == "CloseInput":
            sys.exit(0)
"""


@pytest.fixture
def command(tmp_path):
    """Return what makes a command; each fault is like ``die:Load``."""
    script = tmp_path / "scripted_worker.py"
    script.write_text(SCRIPT)
    return lambda *faults: (sys.executable, "-I", str(script), *faults)
