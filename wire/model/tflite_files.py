"""Open TFLite files by the rules of `wire.model.files`, and scan them.

Apart from those of ONNX: a worker holds one segment, and its scan's half megabyte of memory.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from wire.model import tflite_scan
from wire.model.external_data import check_file
from wire.model.files import map_model, mapped, opened_beside
from wire.model.tflite_scan import TfliteScanned, scan_tflite


def scan_tflite_segment(model: Path) -> TfliteScanned:
    """Scan a TFLite file of a segment.

    Raises:
        ModelError: It is missing, linked or no ordinary file, or the scan refuses it.
    """
    with opened_beside(model, model.name) as file:
        check_file(model.name, model.name, os.fstat(file), needed_bytes=0)
        data = mapped(file)
    return scan_tflite(data, source=model.name)


def scan_tflite_source(model: Path) -> TfliteScanned:
    """Scan a TFLite model from outside; its file may be a link, for the user named it.

    Raises:
        ModelError: It is missing or no ordinary file, or the scan refuses it.
    """
    return scan_tflite(map_model(model), source=model.name)


def tflite_operators(model: Path) -> Mapping[str, int]:
    """Return how many operators of each name a TFLite file has, whether they are allowed or not.

    Where `wire.tflite.operators.EDGETPU_CUSTOM_OP` is among them, only an Edge TPU runs the whole.

    Raises:
        ModelError: It is missing or no ordinary file, or damaged.
    """
    return tflite_scan.tflite_operators(map_model(model), source=model.name)
