"""What `split.json` says of a split for the Edge TPU."""

from typing import Final

import msgspec

from fleet.edgetpu.log import CompilerLog
from wire import segment_files

TWIN: Final = segment_files.TFLITE
COMPILED: Final = segment_files.EDGETPU
"""The same segment for the Edge TPU, beside its twin."""


class KindVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What is expected of operators of a kind, for the same reason."""

    kind: str
    count: int
    mapped: bool
    reason: str = ""
    first: str = ""
    """The first of those that stay on the CPU, by a tensor that it writes."""


class SegmentReport(msgspec.Struct, frozen=True, kw_only=True):
    """One segment, as it is expected and as it was compiled."""

    name: str
    expected_edgetpu: int
    """Operators that map by the published rules."""
    expected_cpu: int
    weight_bytes: int
    expected_off_chip_bytes: int
    """Of the weights of operators that map, what does not fit the Edge TPU's memory."""
    expected_on_chip_bytes: int = 0
    """Of those, what fits."""
    compiled: bool = False
    log: CompilerLog | None = None
    """None: it was not compiled, or without a log."""


class EdgeTpuReport(msgspec.Struct, frozen=True, kw_only=True):
    """A model for the Edge TPU."""

    source: str
    """Where the rules are from."""
    compared: str
    """What of them was compared with a publication, and when."""
    runtime: int
    """The version of the Edge TPU runtime that they are applied for."""
    min_runtime: int | None = None
    """The oldest that was asked for; None: nobody asked."""
    operators: tuple[KindVerdict, ...]
    """Of the whole model."""
    cautions: tuple[str, ...]
    segments: tuple[SegmentReport, ...] = ()
