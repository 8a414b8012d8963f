"""What is simulated: a deployed pipeline, and what its client does with it. Plain data."""

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

INBOX_FRAMES: Final = 8
"""What an agent grants by default (`limits.inbox_frames`)."""
MOST_JITTER: Final = 9
"""By its median: no lognormal with a longer tail is like anything that is measured."""
Arrivals = Literal["regular", "poisson"]
"""How frames come at a rate: at even times, or each independent of the others."""
Policy = Literal["block", "drop_oldest"]
"""What the client does with frames that cannot leave; see ADR 20."""


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """Processor time that a device has in each period; then it stands still until the next."""

    seconds: float
    period_seconds: float


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """One stage's worker on one device; it computes one frame at a time."""

    device: str
    run_seconds: float
    """The median."""
    spread: float = 1.0
    """The ninetieth percentile of its times by their median; 1: they are always the same."""
    receive_seconds: float = 0.0
    """What receiving a frame costs of its compute, unless the device is at rest meanwhile."""
    send_seconds: float = 0.0
    """What sending one costs of it."""
    sends_beside: bool = False
    """Whether a frame is sent while the next one is computed, where one waits: it has a core left
    for that, so no quota."""
    handling_seconds: float = 0.0
    """What all else costs of it: checks, credit, counts, decoding."""
    quota: Quota | None = None
    """With one, all its times are of the processor; None: it has a core to itself."""
    inbox_frames: int = INBOX_FRAMES
    """Frames that it grants to all its senders together."""


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """Busy for each frame's bytes, one after the other; they arrive after the latency, in order."""

    latency_seconds: float
    """The median."""
    bytes_per_second: float
    jitter_seconds: float = 0.0
    """How far the ninetieth percentile of its latency is above the median."""


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """A stage and its replicas."""

    workers: tuple[Worker, ...]
    out_bytes: int
    """What a frame carries from here on."""


class Pipeline(msgspec.Struct, frozen=True, kw_only=True):
    """Stages, and the links between their devices; a device has at most one worker."""

    stages: tuple[Stage, ...]
    links: Mapping[tuple[str, str], Link]
    """By the ids of both ends. Where there is none, as from a device to itself, all is at once."""
    source: str | None
    """Where the client submits; None: nowhere apart from the first stage."""
    sink: str | None
    """Where it takes answers; None: nowhere apart from the last stage."""
    input_bytes: int


class Kill(msgspec.Struct, frozen=True):
    """A device dies and does not come back."""

    device: str
    at_seconds: float


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What the client does, and for how long."""

    window: int = 8
    """Frames in flight, or answered and not yet taken in order, at most."""
    rate: float | None = None
    """Frames a second; None: whenever the window has room."""
    arrivals: Arrivals = "regular"
    policy: Policy = "block"
    deadline_seconds: float = 10.0
    frames: int = 2000
    """The run ends when so many have ended; with kills, so many after the last one."""
    seed: int = 0
    kills: tuple[Kill, ...] = ()
    """In the order of their times."""
