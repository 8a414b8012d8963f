"""What the parent of a measurement and its two ends say to each other: a line of JSON each."""

from pathlib import Path
from typing import Any

import msgspec

from wire.access import Access


class Broker(msgspec.Struct, frozen=True, kw_only=True):
    """How an end reaches a broker; secrets are paths."""

    url: str
    username: str | None = None
    password_file: str | None = None
    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None

    @property
    def access(self) -> Access:
        """Who we are to it."""
        return Access(
            username=self.username,
            password_file=_path(self.password_file),
            ca_file=_path(self.ca_file),
            certificate_file=_path(self.certificate_file),
            key_file=_path(self.key_file),
        )


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """What an end is and uses; the first line to it."""

    link: str
    name: str
    """Unlike any other measurement's on the same broker; an id."""
    size_bytes: int
    """Of the one tensor."""
    confirm_descriptor: int
    """A socket to the other end, for a byte for each frame that was decoded."""
    folder: str
    """Where links without a broker meet; for nobody else to enter."""
    token: str
    """What proves to each end that it has met the other."""
    broker: Broker | None = None
    max_packet_bytes: int | None = None
    core: int | None = None
    """Which core it is bound to; None: it may use all."""
    meeting: dict[str, Any] = {}
    """To the sender: what the receiver said when it was ready."""


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """An end can begin."""

    meeting: dict[str, Any] = {}
    """What the sender must know to reach the receiver."""


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """To the sender: send so many frames."""

    frames: int
    window: int
    """At most so many that were not confirmed."""
    pause_seconds: float
    """Between a confirmation and the next frame; 0: as fast as the window allows."""


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """From the sender: all frames were sent and confirmed."""

    handed_ns: list[int]
    """When each was handed over, by the machine's monotonic clock."""
    cpu_seconds: float


class Arrived(msgspec.Struct, frozen=True, kw_only=True):
    """From the receiver, when asked: what came since it was asked last."""

    decoded_ns: list[int]
    """When each frame was decoded, by the machine's monotonic clock."""
    cpu_seconds: float


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """An end cannot go on."""

    code: str
    message: str


def _path(name: str | None) -> Path | None:
    return Path(name) if name is not None else None
