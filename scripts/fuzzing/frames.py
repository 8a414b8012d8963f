"""What must hold for a frame of any bytes at all."""

import contextlib
import struct
import zlib

from wire import codecs, frame
from wire.errors import FrameError
from wire.table import kept
from wire.tensors import size_bytes

FRAME_BYTES = 64 << 10


def one_frame(data: bytes) -> None:
    """A frame, as it came and under a right checksum: known tables change nothing."""
    for came in (data, _resealed(data)):
        warm = _judged(came)
        kept.cache_clear()
        assert warm == _judged(came)


def _resealed(data: bytes) -> bytes:
    if len(data) < frame.HEAD_BYTES:
        return data
    meta_bytes, table_bytes = struct.unpack_from("<II", data, 36)
    head, rest = data[: frame.HEAD_BYTES - 4], data[frame.HEAD_BYTES :]
    crc32 = zlib.crc32(head + rest[: meta_bytes + table_bytes])
    return head + struct.pack("<I", crc32) + rest


def _judged(data: bytes) -> bytes | str:
    """Return the frame written again, which is read as the same; or the error."""
    try:
        read = frame.decode(data, max_frame_bytes=FRAME_BYTES)
    except FrameError as error:
        return str(error)
    if sum(size_bytes(t.dtype, t.shape) for t in read.tensors) <= FRAME_BYTES:
        with contextlib.suppress(FrameError):
            arrays = codecs.arrays(read)
            assert [array.shape for array in arrays.values()] == [t.shape for t in read.tensors]
    written = b"".join(bytes(b) for b in frame.encode(read))
    again = frame.decode(written, max_frame_bytes=FRAME_BYTES)
    assert again.tensors == read.tensors
    assert written == b"".join(bytes(b) for b in frame.encode(again))
    return written
