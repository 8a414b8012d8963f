"""Short durations as people read them."""


def latency_text(seconds: float) -> str:
    """Return a duration with three digits, such as ``0.312 ms``, ``12.4 ms`` or ``1.20 s``."""
    if seconds >= 1:
        return f"{seconds:.2f} s"
    ms = seconds * 1000
    digits = 3 if ms < 1 else 2 if ms < 10 else 1
    return f"{ms:.{digits}f} ms"


def cpu_text(seconds: float | None) -> str:
    """Return processor time of one frame, such as ``85 us``; a dash: not known."""
    if seconds is None:
        return "-"
    return f"{seconds * 1e6:.0f} us" if seconds < 0.01 else f"{seconds * 1e3:.1f} ms"
