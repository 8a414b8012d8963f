"""What one link between two devices does, measured with frames as workers send them.

All by the sender's clock: a frame is answered with a small one, as a grant would answer it.
"""

import msgspec

from wire.profile_report import Load, Spread


class SizeReport(msgspec.Struct, frozen=True, kw_only=True):
    """Frames of one size."""

    bytes: int
    """Of the tensor in each frame."""
    seconds: Spread
    """One at a time: from encoding it until the answer that it was decoded."""
    bytes_per_second: float
    """Goodput one way, back to back with a few in flight."""
    frames: int
    """How many of those."""
    sender_cpu_seconds: float
    """Processor time of each frame, back to back, at the sender."""
    receiver_cpu_seconds: float
    """The same at the receiver, with decoding."""
    sender_alone_cpu_seconds: float | None = None
    """Of each frame that travelled alone: its sender sleeps before, and finds its caches cold."""
    receiver_alone_cpu_seconds: float | None = None
    """The same at the receiver; None: whoever measured does not tell."""


class LinkReport(msgspec.Struct, frozen=True, kw_only=True):
    """One link, one way."""

    link: str
    way: str
    """How it was reached: an address, or the broker."""
    encrypted: bool
    round_trip: Spread
    """Of a frame that carries almost nothing, and its answer."""
    sizes: tuple[SizeReport, ...]
    load: Load
    """At the sender."""
