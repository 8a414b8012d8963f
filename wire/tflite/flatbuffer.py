"""Flatbuffers, read as views that copy nothing: one table at a time, everything in it checked.

A table's kinds say what its fields are, a letter each. All of its fields are checked when it is
opened, whether they are read later or not, for a runtime may read them: tables, vectors and strings
lie inside the file and begin at multiples of their size, strings end with a zero, and a field that
the kinds do not know is refused, since another reader might know it. Offsets only lead forward and
each step down has kinds of its own, so depth is bounded by the schema; how many parts of the file
are visited is bounded by a budget, for the same part can be referred to any number of times.

Source: https://flatbuffers.dev/internals/
"""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from wire.tflite.errors import FlatbufferError

SCALARS: Final = {"b": 1, "B": 1, "h": 2, "H": 2, "i": 4, "I": 4, "f": 4, "q": 8, "Q": 8}
"""Kinds of numbers, as `struct` spells them, with their size in bytes."""
_READERS: Final = {kind: struct.Struct(f"<{kind}") for kind in SCALARS}
VECTORS: Final = {"1": 1, "2": 2, "4": 4, "8": 8}
"""Kinds of vectors of numbers: the size of one in bytes."""
STRING: Final = "s"
STRINGS: Final = "S"
TABLE: Final = "t"
TABLES: Final = "T"
MAX_TEXT_BYTES: Final = 1 << 16


class Span(NamedTuple):
    """Bytes of the file that are not looked into."""

    at: int
    size_bytes: int

    @property
    def end(self) -> int:
        """Where the first byte after them is."""
        return self.at + self.size_bytes


class File:
    """One flatbuffer file; ``data`` is the whole of it, as bytes."""

    __slots__ = ("_left", "data", "size_bytes")

    def __init__(self, data: memoryview, *, max_parts: int) -> None:
        """``max_parts``: tables, fields and numbers of vectors that are visited at most."""
        self.data = data
        self.size_bytes = len(data)
        self._left = max_parts

    def root(self, kinds: str) -> "Table":
        """Return the table that the file begins with.

        Raises:
            FlatbufferError: It is malformed.
        """
        return Table(self, self.target(0), kinds)

    def spend(self, parts: int) -> None:
        """Count parts that are visited.

        Raises:
            FlatbufferError: There are too many.
        """
        self._left -= parts
        if self._left < 0:
            raise FlatbufferError("more parts than are allowed in one model")

    def number(self, at: int, kind: str) -> int:
        """Return the number at ``at``, which may lead anywhere.

        Raises:
            FlatbufferError: It is outside the file, or not at a multiple of its size.
        """
        reader = _READERS[kind]
        if at % reader.size:
            raise _unaligned(at, reader.size)
        if not 0 <= at <= self.size_bytes - reader.size:
            raise FlatbufferError(f"byte {at} is outside the file ({self.size_bytes} bytes)")
        found: int = reader.unpack_from(self.data, at)[0]
        return found

    def target(self, at: int) -> int:
        """Return where the offset at ``at`` leads; it is checked by whoever reads there."""
        return at + self.number(at, "I")

    def vector(self, at: int, element_bytes: int) -> Span:
        """Return the elements of the vector that the offset at ``at`` leads to.

        Raises:
            FlatbufferError: They are outside the file or not aligned.
        """
        start = self.target(at)
        count = self.number(start, "I")
        start += 4
        if count * element_bytes > self.size_bytes - start:
            raise FlatbufferError(
                f"a vector of {count} elements at byte {start} ends outside the file"
                f" ({self.size_bytes} bytes)"
            )
        if count and start % element_bytes:
            raise FlatbufferError(f"a vector at byte {start} is not aligned to {element_bytes}")
        return Span(start, count * element_bytes)

    def string(self, at: int) -> Span:
        """Return the bytes of the string that the offset at ``at`` leads to.

        Raises:
            FlatbufferError: They are outside the file, or no zero follows them.
        """
        found = self.vector(at, 1)
        if found.end >= self.size_bytes or self.data[found.end]:
            raise FlatbufferError(f"no zero ends the string at byte {found.at}")
        return found

    def text(self, where: Span) -> str:
        """Return a string's text.

        Raises:
            FlatbufferError: It is too long, no UTF-8, or has a zero in it, where C's ends.
        """
        if where.size_bytes > MAX_TEXT_BYTES:
            raise FlatbufferError(
                f"a string has {where.size_bytes} bytes (at most {MAX_TEXT_BYTES})"
            )
        try:
            found = str(self.data[where.at : where.end], "utf-8")
        except UnicodeDecodeError as error:
            raise FlatbufferError(f"the string at byte {where.at} is not UTF-8") from error
        if "\0" in found:
            raise FlatbufferError(f"the string at byte {where.at} has a zero in it")
        return found


class Table:
    """One table. Fields are numbered as in the schema; views belong to the file."""

    __slots__ = ("_file", "_found", "_kinds")

    def __init__(self, file: File, at: int, kinds: str) -> None:
        """Open the table at ``at`` and check its fields.

        Raises:
            FlatbufferError: It is malformed, or has a field beyond ``kinds``.
        """
        self._file = file
        self._kinds = kinds
        self._found: dict[int, Span] = {}
        for field, offset, table_bytes in _fields(file, at):
            if field >= len(kinds):
                raise FlatbufferError(f"field {field} is unknown")
            size = SCALARS.get(kinds[field], 4)
            if not 4 <= offset <= table_bytes - size:
                raise FlatbufferError(f"field {field} is outside its table ({table_bytes} bytes)")
            self._found[field] = self._checked(at + offset, kinds[field])

    def __contains__(self, field: int) -> bool:
        return field in self._found

    def number(self, field: int, default: int = 0) -> int:
        """Return a number."""
        where = self._found.get(field)
        return self._file.number(where.at, self._kinds[field]) if where else default

    def count(self, field: int) -> int:
        """Return how many elements a vector of numbers has; 0 when absent."""
        where = self._found.get(field)
        return where.size_bytes // VECTORS[self._kinds[field]] if where else 0

    def numbers(self, field: int, kind: str) -> tuple[int, ...]:
        """Return a vector's numbers, read as ``kind``; empty when absent.

        Raises:
            FlatbufferError: With them the file has too many parts.
        """
        where = self._found.get(field)
        if not where:
            return ()
        count = where.size_bytes // SCALARS[kind]
        self._file.spend(count)
        return struct.unpack_from(f"<{count}{kind}", self._file.data, where.at)

    def floats(self, field: int) -> tuple[float, ...]:
        """Return a vector's 32-bit floating-point numbers; empty when absent.

        Raises:
            FlatbufferError: With them the file has too many parts.
        """
        return self.numbers(field, "f")

    def span(self, field: int) -> Span | None:
        """Return where a vector's bytes are; None when absent."""
        return self._found.get(field)

    def text(self, field: int) -> str:
        """Return a string; empty when absent.

        Raises:
            FlatbufferError: It is too long or no plain text.
        """
        where = self._found.get(field)
        return self._file.text(where) if where else ""

    def table(self, field: int, kinds: str) -> "Table | None":
        """Return a table in this one; None when absent.

        Raises:
            FlatbufferError: It is malformed.
        """
        where = self._found.get(field)
        return Table(self._file, where.at, kinds) if where else None

    def tables(self, field: int, kinds: str) -> Iterator["Table"]:
        """Yield the tables of a vector, each checked as it comes.

        Raises:
            FlatbufferError: The next one is malformed.
        """
        where = self._found.get(field) or Span(0, 0)
        for at in range(where.at, where.end, 4):
            yield Table(self._file, self._file.target(at), kinds)

    def _checked(self, at: int, kind: str) -> Span:
        """Return where the value of the field at ``at`` is."""
        file = self._file
        if kind in SCALARS:  # its table is inside the file, and it is inside its table
            if at % SCALARS[kind]:
                raise _unaligned(at, SCALARS[kind])
            return Span(at, SCALARS[kind])
        if kind in VECTORS:
            return file.vector(at, VECTORS[kind])
        if kind == TABLE:
            return Span(file.target(at), 0)
        if kind == STRING:
            return file.string(at)
        found = file.vector(at, 4)
        if kind == STRINGS:
            file.spend(found.size_bytes // 4)
            for place in range(found.at, found.end, 4):
                file.string(place)
        return found


def _unaligned(at: int, size: int) -> FlatbufferError:
    return FlatbufferError(f"byte {at} is no multiple of {size}, where a number should be")


def _fields(file: File, at: int) -> Iterator[tuple[int, int, int]]:
    """Yield (field, offset in the table, size of the table) of those that a table has."""
    vtable = at - file.number(at, "i")
    vtable_bytes, table_bytes = file.number(vtable, "H"), file.number(vtable + 2, "H")
    if vtable_bytes < 4 or vtable_bytes % 2 or vtable + vtable_bytes > file.size_bytes:
        raise FlatbufferError(f"the table at byte {at} has {vtable_bytes} bytes of offsets")
    if table_bytes < 4 or at + table_bytes > file.size_bytes:
        raise FlatbufferError(f"the table at byte {at} has {table_bytes} bytes")
    count = (vtable_bytes - 4) // 2
    file.spend(1 + count)
    offsets = struct.unpack_from(f"<{count}H", file.data, vtable + 4)
    return ((field, offset, table_bytes) for field, offset in enumerate(offsets) if offset)
