"""What a codec makes of float32 elements, and what that takes. Pure.

Source: benchmarks/codecs.py, tensors of 614,400 bytes on two cores of an AMD EPYC (the table in
docs/benchmarks.md). Devices' own times are not measured yet: a slower device pays more.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

_MEASURED_BYTES: Final = 614_400
_RAW_ENCODING, _RAW_DECODING = 22, 13
RAW: Final = "raw"


class CodecFigures(NamedTuple):
    """One codec."""

    share: float
    """Of the raw bytes, that travels."""
    encode_seconds_per_byte: float
    """By raw bytes; beside what raw takes."""
    decode_seconds_per_byte: float
    exact: bool
    """Whether every element stays as it is."""

    @property
    def seconds_per_byte(self) -> float:
        """Encoding and decoding."""
        return self.encode_seconds_per_byte + self.decode_seconds_per_byte


def _figures(share: float, encode: float, decode: float, *, exact: bool = False) -> CodecFigures:
    """Return what so many microseconds of encoding and decoding are."""
    return CodecFigures(
        share, encode * 1e-6 / _MEASURED_BYTES, decode * 1e-6 / _MEASURED_BYTES, exact
    )


FIGURES: Final[Mapping[str, CodecFigures]] = MappingProxyType(
    {
        RAW: _figures(1.0, 0, 0, exact=True),
        "raw+zstd": _figures(0.89, 2079 - _RAW_ENCODING, 1077 - _RAW_DECODING, exact=True),
        "fp16": _figures(0.50, 818 - _RAW_ENCODING, 394 - _RAW_DECODING),
        "int8_channel": _figures(0.25, 582 - _RAW_ENCODING, 214 - _RAW_DECODING),
        "fp16+zstd": _figures(0.44, 1936 - _RAW_ENCODING, 933 - _RAW_DECODING),
        "int8_channel+zstd": _figures(0.22, 1255 - _RAW_ENCODING, 614 - _RAW_DECODING),
    }
)
"""By name, the best first where they are equal."""


def best(allowed: tuple[str, ...], bytes_per_second: float) -> tuple[str, float]:
    """Return the codec that is fastest over such a link, and raw bytes a second with it.

    Args:
        allowed: Names of ``FIGURES``.
        bytes_per_second: Of the link.
    """
    rates = {name: raw_rate(name, bytes_per_second) for name in FIGURES if name in allowed}
    name = max(rates, key=lambda one: rates[one])
    return name, rates[name]


def raw_rate(name: str, bytes_per_second: float) -> float:
    """Return how many raw bytes a second a codec takes over a link, coding included."""
    figures = FIGURES[name]
    return 1 / (figures.share / bytes_per_second + figures.seconds_per_byte)
