"""Which runtime opens a model on the processor, where nobody names one."""

from pathlib import Path
from typing import Final

from wire import segment_files

TFLITE: Final = ".tflite"


def on_processor(model: Path) -> str:
    """Return the runtime's name for a segment's folder or a model's file, by its format."""
    if model.is_dir():
        return "tflite_cpu" if (model / segment_files.TFLITE).exists() else "onnx_cpu"
    return "tflite_cpu" if model.suffix.lower() == TFLITE else "onnx_cpu"
