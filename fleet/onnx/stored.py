"""The bytes of a model's weights, read from its files piece by piece when they are needed.

A large model is never in memory: a weight is read from the model's file, or from one beside it,
into one buffer after the other. The files stay open, so what was scanned is what is read.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from onnx import TensorProto, numpy_helper

from fleet.errors import ModelChangedError
from wire.manifest import ModelRef
from wire.model.element_data import elements, size_bytes
from wire.model.errors import ExternalDataError
from wire.model.files import opened_beside, opened_model
from wire.model.skeleton import ENCODED, IN_FILE
from wire.tensors import ELEMENT_TYPES

PIECE_BYTES: Final = 4 << 20


@dataclass(frozen=True, slots=True)
class Stored:
    """The raw bytes of one weight, in a file."""

    files: "WeightFiles"
    location: str
    offset_bytes: int
    size_bytes: int

    def pieces(self) -> Iterator[memoryview]:
        """Yield the bytes; each piece is valid until the next one is asked for.

        Raises:
            ExternalDataError: The file became shorter.
        """
        buffer = bytearray(min(PIECE_BYTES, self.size_bytes))
        file = self.files.open(self.location)
        at, end = self.offset_bytes, self.offset_bytes + self.size_bytes
        while at < end:
            view = memoryview(buffer)[: min(PIECE_BYTES, end - at)]
            size = os.preadv(file, [view], at)
            if not size:
                raise ExternalDataError(self.location, "", "the file became shorter")
            yield view[:size]
            at += size


@dataclass(frozen=True, slots=True)
class Held:
    """The raw bytes of one weight, in memory."""

    data: bytes

    @property
    def size_bytes(self) -> int:
        """Their number."""
        return len(self.data)

    def pieces(self) -> Iterator[memoryview]:
        """Yield the bytes."""
        yield memoryview(self.data)


class WeightFiles(contextlib.ExitStack):
    """A model's file and those beside it, open for reading; a context manager.

    Raises:
        ModelError: There is no such file, or it is not an ordinary one.
    """

    def __init__(self, model: Path) -> None:
        super().__init__()
        self._model = model
        self._open: dict[str, int] = {}
        self._stamps: dict[str, tuple[int, int]] = {}
        self._keep(IN_FILE, self.enter_context(opened_model(model)))

    def open(self, location: str) -> int:
        """Return a descriptor of the file at ``location``; it stays ours.

        Raises:
            ExternalDataError: It cannot be opened, or only by following a link.
        """
        if location not in self._open:
            self._keep(location, self.enter_context(opened_beside(self._model, location)))
        return self._open[location]

    def check_unchanged(self) -> None:
        """Refuse what was read when someone wrote to one of the files meanwhile.

        Raises:
            ModelChangedError: Size or time of a file are not those of its opening.
        """
        for location, file in self._open.items():
            if _stamp(file) != self._stamps[location]:
                raise ModelChangedError(self._model.name, location if location != IN_FILE else "")

    def _keep(self, location: str, file: int) -> None:
        self._open[location], self._stamps[location] = file, _stamp(file)

    def ref(self, beside: Iterable[str]) -> ModelRef:
        """Return the model's name, and the digest of its file and of those ``beside`` it.

        Raises:
            ExternalDataError: One cannot be opened.
        """
        sha256 = hashlib.sha256()
        total_bytes = self._hash(IN_FILE, sha256)
        for location in sorted(beside):
            inner = hashlib.sha256()
            total_bytes += self._hash(location, inner)
            sha256.update(inner.digest())
        return ModelRef(name=self._model.name, sha256=sha256.hexdigest(), size_bytes=total_bytes)

    def _hash(self, location: str, sha256: "hashlib._Hash") -> int:
        """Feed a whole file to ``sha256``; returns its size in bytes."""
        file, at = self.open(location), 0
        buffer = memoryview(bytearray(PIECE_BYTES))
        while size := os.preadv(file, [buffer], at):
            sha256.update(buffer[:size])
            at += size
        return at

    def stored(self, tensor: TensorProto) -> Stored | Held | None:
        """Return a tensor's bytes as ``raw_data`` would hold them; None: it has no such form.

        Raises:
            ExternalDataError: Its file cannot be opened.
        """
        known = {entry.key: entry.value for entry in tensor.external_data}
        if tensor.data_location != TensorProto.EXTERNAL:
            return _held(tensor)
        if ENCODED in known:
            return _held(self._decoded(tensor))
        size = size_bytes(elements(tuple(tensor.dims)), tensor.data_type)
        return Stored(self, known["location"], int(known.get("offset", "0")), size)

    def whole(self, tensor: TensorProto) -> TensorProto:
        """Return the tensor with its elements in it.

        Raises:
            ExternalDataError: Its file cannot be read.
        """
        if tensor.data_location != TensorProto.EXTERNAL:
            return tensor
        if any(entry.key == ENCODED for entry in tensor.external_data):
            return self._decoded(tensor)
        found = self.stored(tensor)
        assert found is not None
        made = TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
        made.raw_data = b"".join(bytes(piece) for piece in found.pieces())
        return made

    def _decoded(self, tensor: TensorProto) -> TensorProto:
        """Return a tensor whose elements are not raw bytes in the model's file."""
        known = {entry.key: entry.value for entry in tensor.external_data}
        view = Stored(self, IN_FILE, int(known["offset"]), int(known[ENCODED]))
        made = TensorProto.FromString(b"".join(bytes(piece) for piece in view.pieces()))
        made.name = tensor.name
        return made


def _stamp(file: int) -> tuple[int, int]:
    status = os.fstat(file)
    return status.st_size, status.st_mtime_ns


def _held(tensor: TensorProto) -> Held | None:
    if tensor.HasField("raw_data"):
        return Held(tensor.raw_data)
    if tensor.data_type in ELEMENT_TYPES:
        return Held(numpy_helper.to_array(tensor).tobytes())
    return None  # strings, and packed types that are not raw
