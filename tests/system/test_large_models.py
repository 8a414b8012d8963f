"""Models that do not fit: what a split takes of memory, its children and mapped pages included."""

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import onnx
import psutil
import pytest
from onnx import TensorProto, helper, numpy_helper

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

MIB = 1 << 20


def layers(count, width):
    """Return the operators of a chain of products, and its input and output."""
    nodes = []
    for number in range(count):
        nodes.append(helper.make_node("MatMul", [f"x{number}", f"w{number}"], [f"m{number}"]))
        nodes.append(helper.make_node("Tanh", [f"m{number}"], [f"x{number + 1}"]))
    faces = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", width])
        for name in ("x0", f"x{count}")
    ]
    return nodes, faces


def save(path, nodes, faces, weights):
    """Write a model."""
    graph = helper.make_graph(nodes, "g", faces[:1], faces[1:], weights)
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)


def memory(pid):
    """Return resident and private bytes of a process and all below it, now."""
    root = psutil.Process(pid)
    resident = private = 0
    for process in (root, *root.children(recursive=True)):
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
            kind, _, rest = line.partition(":")
            size = int(rest.split()[0]) * 1024 if rest.endswith("kB") else 0
            resident += size if kind == "Rss" else 0
            private += size if kind in {"Private_Clean", "Private_Dirty"} else 0
    return resident, private


def split(model, out, *options):
    """Split in a process of its own; return the most resident and private bytes of its tree."""
    paceline = [sys.executable, "-c", "from paceline.cli import main; main()"]
    command = [*paceline, "split", str(model), "--out", str(out), *options]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    most = [0, 0]
    ended = threading.Event()

    def watch():
        while not ended.wait(0.02):
            try:
                most[:] = map(max, most, memory(child.pid))
            except (psutil.Error, OSError):
                continue  # one has just ended

    watcher = threading.Thread(target=watch)
    watcher.start()
    _, said = child.communicate()
    ended.set()
    watcher.join()
    assert child.returncode == 0, said.decode()
    return most


def test_a_model_of_200_mb_takes_less_than_its_own_size_and_a_third(tmp_path, monkeypatch):
    """Measured cuts and all: no process ever holds the model."""
    monkeypatch.setenv("PACELINE_CACHE", str(tmp_path / "cache"))
    nodes, faces = layers(50, 1024)
    random = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(random.standard_normal((1024, 1024)).astype(np.float32) / 32, name)
        for name in (f"w{number}" for number in range(50))
    ]
    path = tmp_path / "model.onnx"
    save(path, nodes, faces, weights)

    resident, _ = split(path, tmp_path / "out", "--stages", "2")

    assert resident <= 1.3 * path.stat().st_size
    assert resident > 32 * MIB  # something was seen


def test_three_gigabytes_beside_the_model_take_less_than_one(tmp_path, monkeypatch):
    """External data is read by parts, and zeros take no room on the disk."""
    monkeypatch.setenv("PACELINE_CACHE", str(tmp_path / "cache"))
    count, width = 48, 4096
    size = width * width * 4
    nodes, faces = layers(count, width)
    weights = []
    for number in range(count):
        tensor = TensorProto(name=f"w{number}", data_type=TensorProto.FLOAT, dims=[width, width])
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (
            ("location", "m.onnx.data"),
            ("offset", number * size),
            ("length", size),
        ):
            tensor.external_data.add(key=key, value=str(value))
        weights.append(tensor)
    save(tmp_path / "m.onnx", nodes, faces, weights)
    with (tmp_path / "m.onnx.data").open("wb") as file:
        file.truncate(count * size)
    assert count * size == 3 << 30

    _, private = split(tmp_path / "m.onnx", tmp_path / "out", "--stages", "3")

    assert private <= 1 << 30
    written = list((tmp_path / "out").glob("segments/*/weights.bin"))
    assert sum(path.stat().st_size for path in written) >= 3 << 30
    assert sum(path.stat().st_blocks * 512 for path in written) < 64 * MIB
