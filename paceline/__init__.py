"""The front door: the command line, and what an application imports to feed a pipeline.

import paceline

with paceline.connect("mqtt://localhost:1883") as site:
    pipeline = site.deploy_model("model.onnx", devices=["device1", "device2"])
    answers = pipeline.run({"x": image})
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paceline.answers import Answer
    from paceline.client import Site, connect
    from paceline.pipeline import Pipeline

__all__ = ["Answer", "Pipeline", "Site", "connect"]

_HOMES = {
    "connect": "paceline.client",
    "Site": "paceline.client",
    "Pipeline": "paceline.pipeline",
    "Answer": "paceline.answers",
}


def __getattr__(name: str) -> Any:
    """Import on first use: the command line starts without numpy."""
    if name not in _HOMES:
        raise AttributeError(f"module 'paceline' has no attribute {name!r}")
    import importlib  # noqa: PLC0415 the same reason

    return getattr(importlib.import_module(_HOMES[name]), name)
