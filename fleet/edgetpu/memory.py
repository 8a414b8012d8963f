"""The Edge TPU's own memory: what a segment's weights may take to stay there. Pure.

Weights that do not fit travel to the Edge TPU again for every frame. Beside weights, the memory
holds the segment's program and what it computes, so the compiler gives weights what is left.
"""

from typing import Final

ON_CHIP_BYTES: Final = 8 << 20
"""Source: coral.ai/docs/edgetpu/compiler, "Parameter data caching"."""
FOR_WEIGHTS_BYTES: Final = 7 << 20
"""What a segment's weights are planned to take at most. Logs of Edge TPU compilers 15 and 16 show
7.16, 7.14, 6.89 and 6.08 MiB used by models that filled it, and 7.7 MiB free beside small ones."""


def streamed_bytes(weight_bytes: int, on_chip_bytes: int = FOR_WEIGHTS_BYTES) -> int:
    """Return how many bytes of weights travel to the Edge TPU for every frame."""
    return max(0, weight_bytes - on_chip_bytes)
