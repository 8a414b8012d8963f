"""Bytes made smaller by zstd, level 1; what comes from outside is bounded before it is unpacked.

zstd works without the GIL.
"""

import sys
from typing import Final

from wire.buffers import Buffer
from wire.errors import FrameError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LEVEL: Final = 1
_WINDOW_LOGS: Final = zstd.DecompressionParameter.window_log_max.bounds()


def compressed(data: Buffer) -> bytes:
    """Return one zstd frame that tells its content's size."""
    return zstd.compress(data, LEVEL)


def decompressed(data: Buffer, max_bytes: int) -> bytes:
    """Return the content of one zstd frame.

    It must say how large its content is. No more memory than that, and a window not much larger
    than ``max_bytes``, is taken, whatever the frame holds.

    Raises:
        FrameError: Not one whole frame, corrupt, or larger than ``max_bytes``.
    """
    try:
        size = zstd.get_frame_info(data).decompressed_size
        if size is None or size > max_bytes:
            told = "of a size that it does not tell" if size is None else f"of {size} bytes"
            raise FrameError(f"compressed data {told} (at most {max_bytes})")
        window_log = min(max(_WINDOW_LOGS[0], max_bytes.bit_length()), _WINDOW_LOGS[1])
        options = {int(zstd.DecompressionParameter.window_log_max): window_log}
        unpacking = zstd.ZstdDecompressor(options=options)
        content = unpacking.decompress(data, max_length=size + 1)
    except zstd.ZstdError as error:
        raise FrameError(f"compressed data is damaged ({error!s:.60})") from error
    if len(content) != size or not unpacking.eof or unpacking.unused_data:
        raise FrameError(f"compressed data is no single frame of {size} bytes")
    return content
