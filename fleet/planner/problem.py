"""What is to be planned: a chain of operators, the devices that may run them, the links between.

Plain data without checks: whoever makes one from a file or from measurements checks it there
(`fleet/planner/instance.py`).
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Literal

import msgspec

Goal = Literal["throughput", "latency", "energy", "cost"]
"""What is made small: the slowest resource's time, the sum of all times, joules, money."""


class Op(msgspec.Struct, frozen=True, kw_only=True):
    """One operator of the chain; the chain may be cut behind it."""

    name: str
    seconds: Mapping[str, float]
    """Its time on each device by id, above 0; a device that is not there cannot run it."""
    weight_bytes: int = 0
    activation_bytes: int = 0
    """What it needs beside weights while it runs."""
    out_bytes: int = 0
    """What crosses when the chain is cut behind it; not used of the last one."""


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """A machine that may run one stage."""

    id: str
    memory_bytes: int | None = None
    """What weights and activations may take; None: no limit."""
    storage_bytes: int | None = None
    """What weights may take of its storage, in one generation; None: no limit."""
    watts: float | None = None
    """What it draws while it computes; None: unknown."""
    cost: float | None = None
    """What an hour of it costs; None: unknown."""
    cost_unit: str = ""
    """The currency of `cost`."""


class Link(msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """How bytes go from one device to another; the other direction is another link."""

    from_: str
    to: str
    latency_seconds: float
    bytes_per_second: float

    def transfer_seconds(self, size_bytes: int) -> float:
        """Return how long the link is busy with so many bytes."""
        return size_bytes / self.bytes_per_second


class Problem(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A chain of operators to be placed; equal objects plan equally."""

    ops: tuple[Op, ...]
    devices: tuple[Device, ...]
    links: tuple[Link, ...] = ()
    """At most one for each pair and direction; a pair without one cannot be a hop."""
    source: str | None = None
    """The device that frames come from; None: from anywhere at no cost."""
    sink: str | None = None
    """The device that results go to; None: to anywhere at no cost."""
    input_bytes: int = 0
    """What a frame carries from the source to the first stage."""
    output_bytes: int = 0
    """What a result carries from the last stage to the sink."""
    cut_space: str = "chain"
    """Among which cuts the plan is the best; behind every operator of the chain: `chain`."""

    @cached_property
    def device(self) -> Mapping[str, Device]:
        """Return the devices by id."""
        return {device.id: device for device in self.devices}

    @cached_property
    def link(self) -> Mapping[tuple[str, str], Link]:
        """Return the links by the ids of their two ends."""
        return {(link.from_, link.to): link for link in self.links}
