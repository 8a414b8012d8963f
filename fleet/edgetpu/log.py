"""What the Edge TPU's compiler says of a compilation. Pure.

Its words are nowhere promised, so a line that is not found leaves a field at None.
Source: logs of versions 14.1 to 16.0 in Coral's documentation and its issue tracker.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

MAPPED: Final = "Mapped to Edge TPU"
_UNITS: Final[Mapping[str, int]] = MappingProxyType(
    {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "KB": 1000, "MB": 10**6, "GB": 10**9}
)
_ROW: Final = re.compile(r"^([A-Za-z][\w-]*)[ \t]+(\d+)[ \t]+(\S.*?)[ \t]*$", re.MULTILINE)
_VERSION: Final = re.compile(r"Edge TPU Compiler version ([\w.]+)")
MOST_CHARACTERS: Final = 1 << 20
"""More of a log is not looked at."""


class CompiledOperators(msgspec.Struct, frozen=True, kw_only=True):
    """Operators of a kind that fared alike."""

    kind: str
    count: int
    status: str
    """In the compiler's words."""

    @property
    def mapped(self) -> bool:
        """Whether they run on the Edge TPU."""
        return self.status == MAPPED


class CompilerLog(msgspec.Struct, frozen=True, kw_only=True):
    """What the compiler said; None: it did not."""

    version: str | None = None
    edgetpu_operators: int | None = None
    cpu_operators: int | None = None
    subgraphs: int | None = None
    """Pieces that run on the Edge TPU."""
    on_chip_bytes: int | None = None
    """Of weights that stay in its memory."""
    on_chip_left_bytes: int | None = None
    off_chip_bytes: int | None = None
    """Of weights that travel to it for every frame."""
    operators: tuple[CompiledOperators, ...] = ()


def parse(text: str) -> CompilerLog:
    """Return what the compiler said of one model on its output, its log file, or both."""
    text = text[:MOST_CHARACTERS]
    rows = tuple(
        dict.fromkeys(  # its log file has the same rows as its output
            CompiledOperators(kind=kind, count=int(count), status=status)
            for kind, count, status in _ROW.findall(text)
        )
    )
    version = _VERSION.search(text)
    total = _number(text, "Total number of operations")
    on_tpu = _number(text, "Number of operations that will run on Edge TPU")
    on_cpu = _number(text, "Number of operations that will run on CPU")
    if on_tpu is None and on_cpu is None and rows:
        on_tpu = sum(row.count for row in rows if row.mapped)
        on_cpu = sum(row.count for row in rows if not row.mapped)
    if on_tpu is None and on_cpu is None and total is not None:
        on_tpu, on_cpu = total, 0  # where all are mapped it says no more
    return CompilerLog(
        version=version.group(1) if version else None,
        edgetpu_operators=on_tpu,
        cpu_operators=on_cpu,
        subgraphs=_number(text, "Number of Edge TPU subgraphs"),
        on_chip_bytes=_size(text, "On-chip memory used for caching model parameters"),
        on_chip_left_bytes=_size(text, "On-chip memory remaining for caching model parameters"),
        off_chip_bytes=_size(
            text, "Off-chip memory used for streaming uncached (?:model )?parameters"
        ),
        operators=rows,
    )


def _number(text: str, label: str) -> int | None:
    found = re.search(rf"{label}:\s*(\d+)", text, re.IGNORECASE)
    return int(found.group(1)) if found else None


def _size(text: str, label: str) -> int | None:
    found = re.search(rf"{label}:\s*(\d+(?:\.\d+)?)\s*([KMG]?i?B)\b", text, re.IGNORECASE)
    if not found or found.group(2) not in _UNITS:
        return None
    return round(float(found.group(1)) * _UNITS[found.group(2)])
