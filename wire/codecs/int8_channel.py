"""8-bit integers, one scale for each channel of each sample; see ``wire.codecs._int8``.

Channels are axis 1, as in ``[N, C, H, W]``: each ``[n, c]`` is a row, so a sample does not depend
on those it is batched with. ``[N, C]`` has one scale for each sample, a tensor of one dimension one
scale. In ``[N, H, W, C]`` a row is a line of the picture.
"""

from wire.codecs._int8 import Int8Codec
from wire.tensors import count


class Int8ChannelCodec(Int8Codec):
    """For convolutions, whose channels differ in their range."""

    def rows(self, shape: tuple[int, ...]) -> int:
        """Return how many samples and channels there are."""
        return count(shape[:2] if len(shape) > 2 else shape[:-1])


PLUGIN = Int8ChannelCodec
