"""Numbers as people read them."""

from typing import Final

from fleet.simulator.predicting import Prediction

_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")
_SECONDS_A: Final = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def size_text(size_bytes: float) -> str:
    """Return a size with its unit, such as ``3.4 MiB``."""
    for unit in _UNITS:
        if size_bytes < 1024 or unit == _UNITS[-1]:
            break
        size_bytes /= 1024
    return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"


def seconds_text(seconds: float) -> str:
    """Return a short duration, such as ``340 ms`` or ``2.1 s``."""
    if 0 < seconds < 0.00005:
        return f"{seconds * 1e6:.3g} us"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms" if seconds >= 0.0095 else f"{seconds * 1000:.1f} ms"
    return f"{seconds:.1f} s"


def age_text(seconds: float) -> str:
    """Return how long ago something was, roughly, such as ``3 min``; clocks may disagree."""
    for unit, size in _SECONDS_A:
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return "now"


def counted(count: int, what: str) -> str:
    """Return a number of things, such as ``1 frame`` or ``2 frames``."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def work_text(multiply_accumulates: int) -> str:
    """Return a number of multiply-accumulates, such as ``1.2 G``."""
    value = float(multiply_accumulates)
    for unit in ("", "k", "M", "G"):
        if value < 999.5:
            return f"{value:.0f}" if not unit else f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} T"


def prediction_text(predicted: Prediction) -> str:
    """Return what is predicted, such as ``13.1 frames/s, 151 ms (p95 190 ms) with 8 in flight``."""
    p50, p95 = predicted.latency_p50_seconds, predicted.latency_p95_seconds
    latency = f"{seconds_text(p50)} (p95 {seconds_text(p95)})"
    return (
        f"{predicted.frames_per_second:.4g} frames/s, {latency} with {predicted.window} in flight"
    )
