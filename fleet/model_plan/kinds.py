"""What is known of a kind of device for one model: measured, described, or not at all. Pure.

A name is a class of the fleet file, a device of it, a device that was measured, or one of a few
kinds of which we know what they are, but no speed: a speed is measured or described, never guessed.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from fleet.fleet_file import completing
from fleet.fleet_file.description import Device, Fleet
from fleet.model_plan.chain import ModelChain
from fleet.model_plan.errors import UnknownKindError
from fleet.model_plan.setting import DeviceFigures, device_figures
from fleet.profiles.record import ModelProfile

KNOWN: Final[Mapping[str, str]] = {
    "rpi3": "a Raspberry Pi 3 has 1 GB of memory (A+: 512 MB)",
    "rpi4": "a Raspberry Pi 4 is sold with 1, 2, 4 or 8 GB of memory",
    "rpi5": "a Raspberry Pi 5 is sold with 1, 2, 4, 8 or 16 GB of memory",
    "coral": "a Coral runs int8 .tflite models; its Edge TPU has 8 MB for weights (on_chip)",
    "jetson": "Jetson modules have 4 to 128 GB of memory",
}
_OTHER_RUNTIME: Final = frozenset({"coral"})
"""Facts that their makers publish; no speeds, and no memory where there are several sizes."""


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of device, and what it makes of a model."""

    name: str
    figures: DeviceFigures | None = None
    """Of one of them; None: its speed is not known, or it cannot run the model."""
    peer: str | None = None
    """A device of the fleet file that is of this kind."""
    cannot: str = ""
    """Why it cannot run any part of the model, though all is known."""
    unknown: str = ""
    """Why its speed is not known."""
    to_know: tuple[str, ...] = ()
    """What would make it known: commands, and lines of a fleet file."""


class Known(NamedTuple):
    """Where kinds are looked for."""

    chain: ModelChain
    fleet: Fleet
    """As described, without devices where there is no file."""
    profiles: Mapping[str, ModelProfile]
    """Of the model, by device."""
    command: str
    """What measures the model, without its devices."""
    notes: tuple[str, ...] = ()
    """What is left out, or counted as none, of links."""

    def names(self) -> list[str]:
        """Return every name that is a kind."""
        described = [one.id for one in (*self.fleet.classes, *self.fleet.devices)]
        return list(dict.fromkeys([*described, *self.profiles, *KNOWN]))

    def kind(self, name: str) -> Kind:
        """Return a kind by name.

        Raises:
            UnknownKindError: There is none of that name.
        """
        for one in (*self.fleet.classes, *self.fleet.devices):
            if one.id == name:
                return self._described(one)
        if name in self.profiles:
            return self._measured(name, Device(id=name), name)
        if name not in KNOWN:
            raise UnknownKindError(name, self.names())
        ways = self._ways(name, f"{name}-1")
        return Kind(
            name=name,
            unknown=f"no {name} was measured or described; {KNOWN[name]}",
            to_know=ways[1:] if name in _OTHER_RUNTIME else ways,
        )

    def _described(self, one: Device) -> Kind:
        """Return a class or a device of the fleet file."""
        devices = {device.id: device for device in self.fleet.devices}
        is_class = one.id not in devices
        members = [d.id for d in devices.values() if d.kind == one.id] if is_class else [one.id]
        peer = members[0] if members else None
        runtime = self.chain.runtime
        if one.runtimes is not None and not self.chain.runs_on(one.runtimes):
            return Kind(name=one.id, peer=peer, cannot=f"{one.id} does not run {runtime}")
        if one.speed is not None and one.speed.like in devices:
            base, times = self.fleet.speed(one.speed.like)
            times *= one.speed.times
            if base in self.profiles:
                figures = device_figures(self.chain, one, self.profiles[base], base, times)
                return Kind(name=one.id, figures=figures, peer=peer)
            why = f"{one.id} is {times:g} times as fast as {base}, which was not measured"
            return Kind(
                name=one.id, peer=peer, unknown=why, to_know=(f"{self.command} --on {base}",)
            )
        for member in members:
            base, times = self.fleet.speed(member)
            if base == member and base in self.profiles:
                return self._measured(one.id, replace(one, id=base), base, peer)
            if base != member and base in self.profiles:
                figures = device_figures(self.chain, one, self.profiles[base], base, times)
                return Kind(name=one.id, figures=figures, peer=peer)
        what = f"no {one.id} was measured" if is_class else f"{one.id} was not measured"
        ways = self._ways(one.id, peer or f"{one.id}-1")
        return Kind(name=one.id, peer=peer, unknown=what, to_know=ways if is_class else ways[:1])

    def _measured(self, name: str, device: Device, base: str, peer: str | None = None) -> Kind:
        one = Fleet(devices=(device,))
        whole = completing.completed(one, {}, {base: self.profiles[base]}, ()).devices[0]
        figures = device_figures(self.chain, whole, self.profiles[base], base, 1.0)
        return Kind(name=name, figures=figures, peer=peer)

    def _ways(self, name: str, device: str) -> tuple[str, str]:
        """Return what would make a class's speed known: measuring one, or describing it."""
        like = next(iter(self.profiles), "DEVICE")
        lines = f"classes: {name}: {{speed: {{like: {like}, times: N}}, memory: SIZE}}"
        return f"{self.command} --on {device}", f"in the fleet file, {lines}"
