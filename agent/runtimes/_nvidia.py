"""NVIDIA's GPUs and libraries as they can be seen without using them: no context is made.

A context on a GPU takes seconds and hundreds of megabytes, and a broken driver may hang in it.
"""

import contextlib
import ctypes
import io
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

PREFIX: Final = "gpu:"
DRIVER: Final = "libcuda.so.1"
_SURROUNDINGS: Final = {
    "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # else the fastest is the first, and may change
    "NVIDIA_TF32_OVERRIDE": "0",  # else products of float32 are rounded to 11 bits
}
"""What the libraries read from the environment, where nobody has said otherwise."""


def loads(library: str) -> bool:
    """Whether the linker finds a library and what it needs."""
    return not load_problem(library)


def load_problem(library: str) -> str:
    """Return why a library cannot be loaded; empty: it can, and is now."""
    try:
        ctypes.CDLL(library, mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        return str(error)
    return ""


def gpus(root: Path = Path("/"), has_library: Callable[[str], bool] = loads) -> Mapping[str, str]:
    """Return the GPUs that this process may use, by name as an accelerator, and what they are.

    Those of cards are numbered by their place on the bus; a Jetson has one.

    Args:
        root: Of the file system; tests give a folder.
        has_library: Says whether a library loads.
    """
    if not has_library(DRIVER):
        return {}
    if is_jetson(root):
        return {PREFIX + "0": _text(root / "proc/device-tree/model").strip("\0 ") or "Tegra"}
    known = {}
    for path in sorted(root.glob("proc/driver/nvidia/gpus/*/information")):
        told = dict(re.findall(r"^([\w ]+?):[ \t]*(.*?)[ \t]*$", _text(path), re.MULTILINE))
        known[told.get("Device Minor", "")] = told.get("Model", "")
    nodes = [path.name.removeprefix("nvidia") for path in root.glob("dev/nvidia[0-9]*")]
    minors = [m for m in known if m in nodes] + sorted(set(nodes) - set(known))
    return {f"{PREFIX}{place}": known.get(m, "") or "GPU" for place, m in enumerate(minors)}


def is_jetson(root: Path = Path("/")) -> bool:
    """Whether this is a Tegra, whose GPU shares the system's memory."""
    return "nvidia,tegra" in _text(root / "proc/device-tree/compatible")


def place(accelerator: str) -> int:
    """Return CUDA's number of a GPU."""
    return int(accelerator.removeprefix(PREFIX))


def prepare(ort: Any) -> None:
    """Say how the libraries shall behave, and load those that came as Python packages."""
    for name, value in _SURROUNDINGS.items():
        os.environ.setdefault(name, value)
    if hasattr(ort, "preload_dlls"):
        with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does not find
            ort.preload_dlls()


def provider_library(ort: Any, name: str) -> str:
    """Return the path of the library with one of onnxruntime's providers, its host loaded."""
    folder = Path(ort.__file__).parent / "capi"
    load_problem(str(folder / "libonnxruntime_providers_shared.so"))
    return str(folder / f"libonnxruntime_providers_{name}.so")


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
