"""NVIDIA's GPUs by trees of files like those of the kernel, and by what the linker finds."""

import os
import sys

import pytest

from agent.runtimes import _nvidia

T4 = "Model: \t\t Tesla T4\nIRQ:   \t\t 33\nDevice Minor: \t 1\n"
L4 = "Model: \t\t NVIDIA L4\nIRQ:   \t\t 34\nDevice Minor: \t 0\n"
CARDS = {
    "proc/driver/nvidia/gpus/0000:01:00.0/information": T4,
    "proc/driver/nvidia/gpus/0000:02:00.0/information": L4,
    "dev/nvidiactl": "",
    "dev/nvidia-uvm": "",
}
JETSON = {
    "proc/device-tree/compatible": "nvidia,p3768-0000+p3767-0005\0nvidia,tegra234\0",
    "proc/device-tree/model": "NVIDIA Jetson Orin Nano Developer Kit\0",
}
TABLE = [
    ({}, {}),
    (CARDS, {}),
    (
        {**CARDS, "dev/nvidia0": "", "dev/nvidia1": ""},
        {"gpu:0": "Tesla T4", "gpu:1": "NVIDIA L4"},
    ),
    ({**CARDS, "dev/nvidia0": ""}, {"gpu:0": "NVIDIA L4"}),
    ({"dev/nvidia0": ""}, {"gpu:0": "GPU"}),
    (JETSON, {"gpu:0": "NVIDIA Jetson Orin Nano Developer Kit"}),
]


def tree(root, files):
    """Write the files below a root."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


@pytest.mark.parametrize(("files", "expected"), TABLE)
def test_gpus_are_numbered_by_their_place_on_the_bus(tmp_path, files, expected):
    """Only those that this process was given; a container may have one of several."""
    root = tree(tmp_path, files)

    assert _nvidia.gpus(root, lambda _: True) == expected
    assert list(_nvidia.gpus(root, lambda _: True)) == list(expected)
    assert _nvidia.gpus(root, lambda _: False) == {}


def test_a_jetson_is_known_by_its_device_tree(tmp_path):
    """Its GPU shares the system's memory."""
    assert not _nvidia.is_jetson(tmp_path)
    assert _nvidia.is_jetson(tree(tmp_path, JETSON))


def test_why_a_library_does_not_load():
    """In the linker's words; for one that is there, nothing."""
    problem = _nvidia.load_problem("libnothing_of_this_name.so.7")

    assert "libnothing_of_this_name.so.7: cannot open shared object file" in problem
    assert _nvidia.loads("libm.so.6")


def test_the_libraries_are_told_how_to_behave(monkeypatch, capsys):
    """Where nobody has said otherwise; and what onnxruntime prints is no report of ours."""
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "FASTEST_FIRST")
    monkeypatch.delenv("NVIDIA_TF32_OVERRIDE", raising=False)

    class Library:
        """Prints what it does not find, as onnxruntime does."""

        @staticmethod
        def preload_dlls():
            print("Failed to load libcublasLt.so.13")

    _nvidia.prepare(Library)

    assert os.environ["CUDA_DEVICE_ORDER"] == "FASTEST_FIRST"
    assert os.environ["NVIDIA_TF32_OVERRIDE"] == "0"
    assert capsys.readouterr().out == ""
    _nvidia.prepare(sys)
