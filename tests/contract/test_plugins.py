"""Every plugin file, found by itself, keeps its package's promise."""

import inspect
import subprocess
import sys

import pytest

from wire import plugins
from wire.errors import UnknownPluginError

PACKAGES = {
    "agent.runtimes": ("detect", "prove", "open", "run", "close"),
    "agent.probes": ("read",),
    "fleet.formats": ("identify", "cut"),
    "fleet.metrics": ("compare",),
    "paceline.sinks": ("open", "write", "close"),
    "paceline.sources": ("open", "shots", "close"),
    "wire.codecs": ("encode", "decode"),
    "wire.links": ("start", "listen", "send", "close"),
}
ALL = [(package, name) for package in PACKAGES for name in plugins.names(package)]
VENDORS = ("onnxruntime", "ai_edge_litert", "tflite_runtime", "tensorrt", "openvino", "pycuda")


@pytest.mark.parametrize("package", PACKAGES)
def test_each_folder_holds_plugins(package):
    """The tests below have something to test."""
    assert plugins.names(package)


@pytest.mark.parametrize(("package", "name"), ALL)
def test_a_plugin_fits_its_port(package, name):
    """It has every method of its port, and each says what it does."""
    plugin = plugins.load(package, name)

    assert inspect.getdoc(plugin)
    for method in PACKAGES[package]:
        assert inspect.getdoc(getattr(plugin, method)), method


@pytest.mark.parametrize("name", plugins.names("agent.runtimes"))
def test_a_runtime_imports_without_its_vendors_library(name):
    """On any machine: the library is imported inside its methods."""
    code = (
        f"import sys\nfor vendor in {VENDORS!r}: sys.modules[vendor] = None\n"
        f"from wire import plugins\nplugins.load('agent.runtimes', {name!r})"
    )
    child = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=60, check=False
    )

    assert (child.returncode, child.stderr) == (0, "")


@pytest.mark.parametrize("package", PACKAGES)
def test_an_unknown_plugin_says_which_file_to_add(package):
    """The error of a newcomer's first attempt is also the instruction."""
    folder = package.replace(".", "/")

    with pytest.raises(UnknownPluginError, match=f"add {folder}/hailo9.py"):
        plugins.load(package, "hailo9")


@pytest.mark.parametrize("name", ["", "..", "../../x", "__init__", "os", "onnx_cpu.PLUGIN"])
def test_a_name_cannot_lead_out_of_the_folder(name):
    """Names come from assignments and frames: only a file's own name is one."""
    with pytest.raises(UnknownPluginError):
        plugins.load("agent.runtimes", name)
