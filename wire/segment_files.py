"""What the files of a segment are called, in a split's folder, on the wire and in a device's store.

Beside them always `wire.golden.FILE_NAME`. Pure.
"""

from typing import Final

ONNX: Final = "segment.onnx"
WEIGHTS: Final = "weights.bin"
"""Beside ``ONNX``: its large weights."""
TFLITE: Final = "segment.tflite"
EDGETPU: Final = "segment_edgetpu.tflite"
"""Beside ``TFLITE``, which is its twin then: the same segment compiled for an Edge TPU."""
NAMES: Final = (ONNX, WEIGHTS, TFLITE, EDGETPU)
