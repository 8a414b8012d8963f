"""The Edge TPU's own memory: what a segment's weights may take to stay there. Pure.

Weights that do not fit travel to the Edge TPU again for every frame. Beside weights, the memory
holds the segment's program and what it computes, so the compiler gives weights what is left.
"""

from typing import Final

RUNTIME: Final = "tflite_edgetpu"
"""What runs segments on one."""
ON_CHIP_BYTES: Final = 8 << 20
"""Source: coral.ai/docs/edgetpu/compiler, "Parameter data caching"."""
PROGRAM_BYTES: Final = 1 << 20
"""What is planned for all but weights. Logs of Edge TPU compilers 15 and 16 show 7.16, 7.14, 6.89
and 6.08 MiB of weights in models that filled the memory, and 7.7 MiB free beside small ones."""
FOR_WEIGHTS_BYTES: Final = ON_CHIP_BYTES - PROGRAM_BYTES
"""What a segment's weights are planned to take at most."""
STREAM_BYTES_PER_SECOND: Final = 360e6
"""How fast weights travel to an Edge TPU over USB 3. Not measured here. Source: Inception v4 (43 MB
of weights) takes 100 ms a frame in Coral's benchmarks, coral.ai/docs/edgetpu/benchmarks, where
networks that fit take 2 to 4 ms: 36 MB in at most 100 ms."""


def for_weights(on_chip_bytes: float) -> int:
    """Return what weights may take of an Edge TPU's memory."""
    return max(0, int(on_chip_bytes) - PROGRAM_BYTES)


def streamed_bytes(weight_bytes: int, room_bytes: int = FOR_WEIGHTS_BYTES) -> int:
    """Return how many bytes of weights travel to the Edge TPU for every frame."""
    return max(0, weight_bytes - room_bytes)
