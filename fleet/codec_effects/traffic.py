"""What crosses an edge with a codec: how many bytes, and what is left of the elements."""

from collections.abc import Iterable, Sequence

from fleet.verify.subject import Arrays
from wire import codec_names, codecs
from wire.codec_names import DEFAULT
from wire.frame import Frame, Kind
from wire.tensors import size_bytes


def carried(have: Arrays, names: Iterable[str], codec: str) -> Arrays:
    """Return the tensors ``names`` as they arrive."""
    tensors = codecs.tensors({name: have[name] for name in names}, codec)
    return codecs.arrays(Frame(Kind.DATA, 0, 0, meta=codecs.meta({}, codec), tensors=tensors))


class Traffic:
    """Counts what a codec writes on one edge."""

    def __init__(self, codec: str) -> None:
        self._codec = codec
        self._frames = 0
        self._raw_bytes = 0
        self._coded_bytes = 0
        self._travels_raw: dict[str, None] = {}

    @property
    def raw_bytes(self) -> float:
        """Of a frame's tensors as they are, on average."""
        return self._raw_bytes / max(1, self._frames)

    @property
    def coded_bytes(self) -> float:
        """Of a frame's tensors as they travel, on average."""
        return self._coded_bytes / max(1, self._frames)

    @property
    def travels_raw(self) -> tuple[str, ...]:
        """Tensors of floats that were left as they are, in some frame."""
        return tuple(self._travels_raw)

    def add(self, frames: Iterable[Arrays], names: Sequence[str]) -> None:
        """Count these frames, each of which carries ``names``."""
        plain = codec_names.plain(self._codec)
        for have in frames:
            arrays = {name: have[name] for name in names}
            self._frames += 1
            self._coded_bytes += sum(t.data.nbytes for t in codecs.tensors(arrays, self._codec))
            for tensor in codecs.tensors(arrays, plain):
                raw_bytes = size_bytes(tensor.dtype, tensor.shape)
                self._raw_bytes += raw_bytes
                is_float = arrays[tensor.name].dtype.kind == "f"
                if plain != DEFAULT and is_float and tensor.data.nbytes == raw_bytes:
                    self._travels_raw[tensor.name] = None
