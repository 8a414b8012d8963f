"""The stages of `benchmarks/two_stage.py`: `python two_stage_child.py ROLE ...`.

Sender and receiver are the ends of `hops_child`, with half of a model in front of the one and
behind the other; a stage has one of each, so that frames come to it and go on. When each run was
and what it took is written beside the model when the process is over.
"""

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from benchmarks.hops_child import ENDS
from benchmarks.hops_floors import RawUnixReceiver, RawUnixSender
from paceline.bench.ends import run_receiver, run_sender
from paceline.bench.hop_child import LinkReceiver, LinkSender
from paceline.bench.messages import Setup

WIDTH = 256
"""Of the model: so many columns, in float32."""
FOLDER = "TWO_STAGE_FOLDER"
IDEAL = "none (ideal)"
BARE = " (bare)"


def session(file, threads=1):
    import onnxruntime as ort  # noqa: PLC0415 after the process is bound to its core

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


class Run(NamedTuple):
    """One run of a half."""

    began_ns: int
    ended_ns: int
    cpu_ns: int


class Half:
    """One segment, and its runs."""

    def __init__(self, stage):
        self.session = session(Path(os.environ[FOLDER], f"{stage}", "segment.onnx"))
        [given] = self.session.get_inputs()
        self.name, self.shape = given.name, given.shape
        self.example = np.ones(self.shape, np.float32)
        self.runs = []
        for _ in range(5):
            self.session.run(None, {self.name: self.example})

    def run(self, array):
        """Run bytes or an array; returns bytes."""
        given = array.view(np.float32).reshape(self.shape)
        began, cpu = time.monotonic_ns(), time.thread_time_ns()
        [output] = self.session.run(None, {self.name: given})
        self.runs.append(Run(began, time.monotonic_ns(), time.thread_time_ns() - cpu))
        return output.reshape(-1).view(np.uint8)

    def write(self, name):
        Path(os.environ[FOLDER], f"{name}.json").write_text(json.dumps(self.runs))


class TokenSender(RawUnixSender):
    """Hands over nothing but a word: what an ideal pipeline is."""

    def send(self, _sequence):
        self.sock.send(bytes(8))


class TokenReceiver(RawUnixReceiver):
    def receive(self, listener, decoded):
        sock, _ = listener.accept()
        while sock.recv(8, 0x100):  # MSG_WAITALL
            decoded(None)


CARRIERS = {**ENDS, IDEAL: (TokenSender, TokenReceiver)}


class FirstStage:
    def __init__(self, setup):
        self.half, self.name = Half(0), f"{setup.link}-0"
        self.inner, self.ours = opened(0, setup)

    def send(self, sequence):
        made = self.half.run(self.half.example)
        if self.ours:
            self.inner._arrays = {"x": made}  # noqa: SLF001
        else:
            self.inner.array = made
        self.inner.send(sequence)

    def close(self):
        self.inner.close()
        self.half.write(self.name)


class SecondStage:
    def __init__(self, setup, decoded):
        self.half, self.name = Half(1), f"{setup.link}-1"

        def run(arrays):
            array = arrays["x"] if isinstance(arrays, dict) else arrays
            decoded(self.half.run(self.half.example if array is None else array))

        self.inner, _ = opened(1, setup, run)

    @property
    def meeting(self):
        return self.inner.meeting

    def close(self):
        self.inner.close()
        self.half.write(self.name)


def opened(end, setup, *decoded):
    """Return the end that carries, and whether it is one of our links."""
    if setup.link.endswith(BARE):
        setup = msgspec.structs.replace(setup, link=setup.link.removesuffix(BARE))
        return (LinkSender, LinkReceiver)[end](setup, *decoded), True
    return CARRIERS[setup.link][end](setup, *decoded), False


def stage(number, core, name):
    """Take frames, run them and send them on until stdin ends; its first line says from and to."""
    os.sched_setaffinity(0, {int(core)})
    before, behind = msgspec.json.decode(sys.stdin.buffer.readline(), type=tuple[Setup, Setup])
    half, (sender, receiver) = Half(int(number)), CARRIERS[before.link]
    onwards = sender(behind)

    def run(array):
        onwards.array = half.run(array)
        onwards.send(len(half.runs))

    taking = receiver(before, run)
    print(json.dumps(taking.meeting), flush=True)
    sys.stdin.read()
    taking.close()
    onwards.close()
    half.write(f"{name}-{number}")


def whole(model, threads, seconds):
    """Print what the whole model does in this process alone: frames/s and the median latency."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, set(cores[: int(threads)]))
    made = session(model, int(threads))
    [given] = made.get_inputs()
    inputs = {given.name: np.ones(given.shape, np.float32)}
    took = []
    until = time.monotonic() + float(seconds)
    while time.monotonic() < until or len(took) < 10:
        began = time.monotonic()
        made.run(None, inputs)
        took.append(time.monotonic() - began)
    print(json.dumps([1 / float(np.mean(took[5:])), float(np.median(took[5:]))]))


def main(role, *arguments):
    threading.current_thread().name = role
    if role == "sender":
        return run_sender(FirstStage)
    if role == "receiver":
        return run_receiver(SecondStage)
    if role == "stage":
        return stage(*arguments)
    return whole(*arguments)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
