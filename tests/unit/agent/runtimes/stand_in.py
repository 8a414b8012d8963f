"""A stand-in of the module onnxruntime: sessions of providers that are not on this machine."""

import sys
import types

import onnxruntime

CPU, OPENVINO, CUDA, TENSORRT = (
    f"{name}ExecutionProvider" for name in ("CPU", "OpenVINO", "CUDA", "Tensorrt")
)


class Node:
    """An operator, as a session tells of it."""

    def __init__(self, kind):
        self.op_type = kind


class Part:
    """What a session gave to one provider."""

    def __init__(self, provider, kinds):
        self.ep_name = provider
        self._nodes = [Node(kind) for kind in kinds]

    def get_nodes(self):
        """Return its operators."""
        return self._nodes


class Session:
    """One session: the real one on the CPU, which says of itself what the test says."""

    made = ()
    """What the last one was made with: providers and their options."""

    def __init__(self, model, options, providers, provider_options, enable_fallback):
        type(self).made = (providers, provider_options)
        assert not enable_fallback
        if self.error:
            raise RuntimeError(self.error)
        self._real = onnxruntime.InferenceSession(model, options, providers=[CPU])

    def get_providers(self):
        """Return what it would run on."""
        return [*self.got, CPU]

    def get_provider_graph_assignment_info(self):
        """Return who was given what."""
        return [Part(provider, kinds) for provider, kinds in self.placed.items()]

    def __getattr__(self, name):
        return getattr(self._real, name)


def install(patch, *, offered, got=(), placed=(), error="", devices=()):
    """Put a stand-in in the place of onnxruntime and return its session's class.

    Args:
        patch: pytest's monkeypatch.
        offered: Providers that the build has, besides the CPU's.
        got: Those of them that a session has.
        placed: Operators by provider.
        error: What making a session ends in.
        devices: OpenVINO's.
    """
    session = type("Session", (Session,), {"got": got, "placed": dict(placed), "error": error})
    module = types.ModuleType("onnxruntime")
    module.__file__ = "/nowhere/onnxruntime/__init__.py"
    module.__version__ = "9.9.9"
    module.InferenceSession = session
    module.get_available_providers = lambda: [*offered, CPU]
    for name in ("SessionOptions", "ExecutionMode", "GraphOptimizationLevel"):
        setattr(module, name, getattr(onnxruntime, name))
    state = types.SimpleNamespace(get_available_openvino_device_ids=lambda: list(devices))
    module.capi = types.ModuleType("onnxruntime.capi")
    module.capi._pybind_state = state
    patch.setitem(sys.modules, "onnxruntime", module)
    patch.setitem(sys.modules, "onnxruntime.capi", module.capi)
    return session
