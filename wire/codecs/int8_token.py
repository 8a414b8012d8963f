"""8-bit integers, one scale for each vector along the last axis; see ``wire.codecs._int8``.

In ``[N, T, D]`` that is one for each token of each sample, in ``[N, H, W, C]`` one for each pixel.
A tensor of one dimension has one scale.
"""

from wire.codecs._int8 import Int8Codec
from wire.tensors import count


class Int8TokenCodec(Int8Codec):
    """For transformers, whose tokens differ in their range."""

    def rows(self, shape: tuple[int, ...]) -> int:
        """Return how many vectors there are."""
        return count(shape[:-1])


PLUGIN = Int8TokenCodec
