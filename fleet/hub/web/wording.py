"""Numbers, instants and states in the words of the page. Pure; whatever is not known is a dash.

What devices say comes in as it came: it is cleaned of characters that no reader sees, and escaped
where it becomes HTML or SVG.
"""

import math
import unicodedata
from typing import Final

UNKNOWN: Final = "–"
_THIN: Final = "\u202f"
"""Between a number's thousands: a narrow space that does not break."""
_AGES: Final = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))

ICONS: Final = {"ok": "✓", "busy": "◌", "warning": "!", "error": "✕", "off": "–"}
"""A sign for each state, so that no state is told by its colour alone."""
WORDS: Final = {
    "ok": "ok",
    "busy": "starting",
    "warning": "warning",
    "error": "error",
    "off": "off",
}
CONDITIONS: Final = {"not_deployed": "not deployed"}


def clean(text: str, at_most: int = 400) -> str:
    """Return text without control and direction characters, and not longer than ``at_most``."""
    if len(text) <= at_most and text.isprintable():
        return text
    kept = "".join(
        "\ufffd" if unicodedata.category(c) in {"Cc", "Cf", "Cs"} else c for c in text[:at_most]
    )
    return kept if len(text) <= at_most else kept[: at_most - 1] + "…"


def fitted(text: str, width: float, size: float) -> str:
    """Return what of a text fits into ``width`` pixels in a font of ``size`` pixels, roughly."""
    return clean(text, max(int(width / (size * 0.59)), 1))


def wrapped(text: str, width: float, size: float, lines: int) -> list[str]:
    """Return a text in at most so many lines of ``width`` pixels, the last shortened."""
    room, words, done = max(int(width / (size * 0.57)), 4), clean(text).split(), [""]
    for word in words:
        if done[-1] and len(done[-1]) + 1 + len(word) > room:
            done.append("")
        done[-1] = f"{done[-1]} {word}".strip()
    if len(done) > lines:
        done = [*done[: lines - 1], " ".join(done[lines - 1 :])]
    return [clean(line, room) for line in done if line]


def decimal(value: float | None) -> str:
    """Return about three digits: ``9.74``, ``24.1``, ``1843``."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if abs(value) >= 99.95:
        return whole(round(value))
    return f"{value:.1f}" if abs(value) >= 9.995 or value == 0 else f"{value:.2f}"


def whole(value: int) -> str:
    """Return an integer with its thousands apart."""
    return f"{value:,}".replace(",", _THIN)


def milliseconds(seconds: float | None) -> str:
    """Return a short duration, such as ``7.9 ms``."""
    if seconds is None or not math.isfinite(seconds):
        return UNKNOWN
    if abs(seconds) >= 10:
        return f"{decimal(seconds)} s"
    value = seconds * 1000
    return f"{whole(round(value))} ms" if abs(value) >= 99.95 else f"{value:.1f} ms"


def frame_size(size_bytes: float | None) -> str:
    """Return the size of a frame by tens, as links count: ``617 KB``, ``1.84 MB``."""
    if size_bytes is None or not math.isfinite(size_bytes):
        return UNKNOWN
    if size_bytes < 999_500:
        return f"{decimal(size_bytes / 1e3)} KB"
    return f"{decimal(size_bytes / 1e6)} MB"


def megabits(bits_per_second: float | None) -> str:
    """Return a rate, such as ``119 Mbit/s``."""
    return f"{decimal(bits_per_second / 1e6)} Mbit/s" if bits_per_second is not None else UNKNOWN


def mebibytes(size_bytes: float | None) -> str:
    """Return a size of memory: ``96 MiB``, ``3.7 GiB``."""
    if size_bytes is None or not math.isfinite(size_bytes):
        return UNKNOWN
    value = size_bytes / 2**20
    return f"{value:.0f} MiB" if value < 999.5 else f"{value / 1024:.1f} GiB"


def percent(ratio: float | None) -> str:
    """Return a share, such as ``94 %``."""
    return f"{ratio * 100:.0f} %" if ratio is not None and math.isfinite(ratio) else UNKNOWN


def celsius(value: float | None) -> str:
    """Return a temperature without its unit."""
    return f"{value:.0f}" if value is not None and math.isfinite(value) else UNKNOWN


def duration(seconds: float) -> str:
    """Return a long duration in its largest unit, such as ``3 min``."""
    for unit, size in _AGES:
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return "0 s"


def ago(instant_unix_ns: int | None, now_unix_ns: int) -> str:
    """Return how long ago an instant was, such as ``4 s ago``; clocks may disagree."""
    if instant_unix_ns is None:
        return "never"
    seconds = (now_unix_ns - instant_unix_ns) / 1e9
    return f"{duration(seconds)} ago" if seconds >= 1 else "just now"


def share(ratio: float | None) -> float:
    """Return a ratio between 0 and 1, for a bar; not known is 0."""
    return min(max(ratio, 0.0), 1.0) if ratio is not None and math.isfinite(ratio) else 0.0
