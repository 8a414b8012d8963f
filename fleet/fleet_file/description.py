"""A fleet as it is described: what is known of each device and link, and how it is known. Pure."""

from typing import Final, Literal

import msgspec

from wire.link_report import LinkReport

Origin = Literal["measured", "described by hand", "unknown"]
BY_HAND: Final[Origin] = "described by hand"
MEASURED: Final[Origin] = "measured"
MAX_DEVICES: Final = 256


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A number, and how it is known."""

    value: float | None = None
    """None: it is not known."""
    origin: Origin = "unknown"


UNKNOWN: Final = Figure()


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """What something costs."""

    amount: float
    unit: str
    """A currency by what is paid for: ``EUR/month``, ``USD/million_messages``."""


class Speed(msgspec.Struct, frozen=True, kw_only=True):
    """How fast a device computes, where it is not measured."""

    like: str
    """A device that is measured, or described by one that is."""
    times: float
    """As fast."""


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """One device. What a profile or the device itself tells replaces what is unknown."""

    id: str
    kind: str | None = None
    """The class that it is described by; None: it stands for itself."""
    cloud: bool = False
    """Rented, behind a WAN link, not on the site."""
    speed: Speed | None = None
    """None: measured, by a profile under its id."""
    memory_bytes: Figure = UNKNOWN
    """What workers may take."""
    storage_bytes: Figure = UNKNOWN
    """Free, for two generations of segments."""
    on_chip_bytes: Figure = UNKNOWN
    """An accelerator's own memory, where weights that do not fit travel to it for every frame."""
    stream_bytes_per_second: Figure = UNKNOWN
    """How fast they do."""
    watts: Figure = UNKNOWN
    """While it computes."""
    idle_watts: Figure = UNKNOWN
    cost: Price | None = None
    runtimes: tuple[str, ...] | None = None
    """None: those that it says itself."""


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """From one device to another."""

    source: str
    target: str
    link: str | None = None
    """What carries frames, such as ``mqtt``; None: whatever does."""
    latency_seconds: Figure = UNKNOWN
    """One way, of an empty frame."""
    jitter_seconds: Figure = UNKNOWN
    bytes_per_second: Figure = UNKNOWN
    message_seconds: Figure = UNKNOWN
    """What each message costs beside its bytes, at both ends."""
    cost: Price | None = None
    report: LinkReport | None = None
    """What was measured of it, with frames of several sizes."""


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """All that a file says."""

    devices: tuple[Device, ...]
    links: tuple[Link, ...] = ()
    source: str | None = None
    """Where frames come from."""
    sink: str | None = None
    """Where answers go."""
    classes: tuple[Device, ...] = ()
    """What is said of each class, by its name as the id."""

    def device(self, device: str) -> Device:
        """Return one device.

        Raises:
            KeyError: It is not in the fleet.
        """
        for one in self.devices:
            if one.id == device:
                return one
        raise KeyError(device)

    def speed(self, device: str) -> tuple[str, float]:
        """Return the measured device that ``device`` is compared with, and how often as fast."""
        times = 1.0
        one = self.device(device)
        while one.speed is not None:
            times *= one.speed.times
            one = self.device(one.speed.like)
        return one.id, times
