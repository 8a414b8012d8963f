"""Read ``fleet.yaml`` strictly: all that is wrong with it is found, each with its line.

classes: {rpi5: {memory: 8GiB, watts: 7W}}       what several devices have in common
devices: {pi-1: {class: rpi5}, pi-2: {class: rpi5, speed: {like: pi-1, times: 0.5}}}
links: {pi-1>pi-2: "20Mbit, 8ms", pi-1<>hub: {bandwidth: 940Mbit, latency: 0.3ms}}
source: pi-1
sink: pi-1
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from fleet.errors import BadRequestError
from fleet.fleet_file import values
from fleet.fleet_file.description import (
    MAX_DEVICES,
    Device,
    Figure,
    Fleet,
    Link,
    Speed,
)
from fleet.fleet_file.errors import FleetFileError, FleetValueError
from fleet.fleet_file.values import FIGURES, Keys, Refuse, meant
from wire import ids, link_names, plain_yaml
from wire.plain_yaml import Given, YamlSyntaxError, YamlUnreadableError

_TOP: Final = ("classes", "devices", "links", "source", "sink")
_DEVICE: Final = (
    "class", "cloud", "speed", "memory", "storage", "on_chip", "stream", "watts", "idle_watts",
    "cost", "runtimes",
)  # fmt: skip
_LINK: Final = ("link", "bandwidth", "latency", "jitter", "per_message", "cost")
_MEASURED: Final = "measured"
_LARGEST_TIMES: Final = 1e6


def read(path: Path) -> Fleet:
    """Return what the file at ``path`` says.

    Raises:
        FleetFileError: The first thing that is wrong with it.
    """
    fleet, problems = examined(path)
    if fleet is None or problems:
        raise problems[0]
    return fleet


def examined(path: Path) -> tuple[Fleet | None, tuple[FleetFileError, ...]]:
    """Return what a file says, and all that is wrong with it, in its order."""
    try:
        text = plain_yaml.text(path)
    except FileNotFoundError:
        return None, (FleetFileError(str(path), "is not there"),)
    except YamlUnreadableError as error:
        return None, (FleetFileError(error.path, error.problem),)
    return parsed(text, str(path))


def parsed(text: str, name: str) -> tuple[Fleet | None, tuple[FleetFileError, ...]]:
    """Return what a file's text says, and all that is wrong with it; ``name`` is the file's."""
    try:
        given = plain_yaml.parse(text, name)
    except YamlSyntaxError as error:
        return None, (FleetFileError(error.where, error.problem),)
    reader = _Reader()
    return reader.fleet(given), tuple(sorted(reader.problems, key=_line))


def link_of(text: str) -> dict[str, Figure]:
    """Return the figures of a link written short, such as ``20Mbit,8ms``.

    Raises:
        BadRequestError: It is none.
    """
    found = values.short(text)
    if found is None:
        raise BadRequestError(repr(text), "is no link such as 20Mbit,8ms")
    return found


class _Reader:
    """Collects what is wrong while it reads."""

    def __init__(self) -> None:
        self.problems: list[FleetFileError] = []

    def fleet(self, given: Given) -> Fleet:
        top = self._keys(given, "", _TOP)
        classes = {
            name: (item, self._keys(item, f"classes.{name}", _DEVICE))
            for name, item in self._mapping(top.get("classes"), "classes").items()
        }
        kinds: list[Device] = []
        for name, (item, keys) in classes.items():
            if "class" in keys:
                self._bad(item, f"classes.{name}.class", "no class of a class", "one")
            kinds.append(self._device(name, keys, f"classes.{name}", {}))
        listed = self._mapping(top.get("devices"), "devices")
        devices = [self._listed(name, item, classes) for name, item in listed.items()]
        if not 0 < len(devices) <= MAX_DEVICES and (devices or not self.problems):
            where = top.get("devices", given)
            self._bad(where, "devices", f"1 to {MAX_DEVICES} devices", str(len(devices)))
        self._check_speeds(devices, listed)
        links = self._links(top.get("links"), listed)
        ends = {key: self._named(top[key], key, listed) for key in ("source", "sink") if key in top}
        return Fleet(devices=tuple(devices), links=links, classes=tuple(kinds), **ends)

    # devices

    def _listed(self, name: str, item: Given, classes: Mapping[str, tuple[Given, Keys]]) -> Device:
        key = f"devices.{name}"
        if not ids.is_id(name):
            self._bad(item, key, "an id (1 to 48 of a-z 0-9 _ -)", repr(name)[:60])
        keys = self._keys(item, key, _DEVICE)
        common: Keys = {}
        if "class" in keys:
            asked = keys["class"].value
            if isinstance(asked, str) and asked in classes:
                common = classes[asked][1]
            else:
                expected = f"a class of this file{meant(asked, classes)}"
                self._bad(keys["class"], f"{key}.class", expected, values.shown(asked))
        return self._device(name, keys, key, common)

    def _device(self, name: str, keys: Keys, key: str, common: Keys) -> Device:
        fields: dict[str, Any] = {}
        for part, item in {**common, **keys}.items():
            # what is wrong with a class is said of the class alone
            refuse = self.problems.append if part in keys else _nobody
            where = f"{key}.{part}"
            match part:
                case "class":
                    fields["kind"] = item.value if isinstance(item.value, str) else None
                case "cloud":
                    fields[part] = values.flag(item, where, refuse)
                case "speed":
                    fields[part] = self._speed(item, where, refuse)
                case "cost":
                    fields[part] = values.price(item, where, refuse)
                case "runtimes":
                    fields[part] = values.names(item, where, refuse)
                case _:
                    field, _ = FIGURES[part]
                    fields[field] = values.figure(part, item, where, refuse)
        return Device(id=name, **fields)

    def _speed(self, item: Given, key: str, refuse: Refuse) -> Speed | None:
        if item.value == _MEASURED:
            return None
        if not isinstance(item.value, dict):
            expected = "`measured`, or {like: DEVICE, times: NUMBER}"
            refuse(
                FleetValueError(item.where, key, expected=expected, got=values.shown(item.value))
            )
            return None
        keys = values.keys(item, key, ("like", "times"), refuse)
        like, times = (keys.get(name, Given(None, item.where)) for name in ("like", "times"))
        number = times.value
        if not isinstance(like.value, str):
            values.wrong(refuse, like, f"{key}.like", "a device of this file")
        elif (
            isinstance(number, bool)
            or not isinstance(number, int | float)
            or not (math.isfinite(number) and 0 < number <= _LARGEST_TIMES)
        ):
            values.wrong(refuse, times, f"{key}.times", "a number above 0")
        else:
            return Speed(like=like.value, times=float(number))
        return None

    def _check_speeds(self, devices: Iterable[Device], listed: Keys) -> None:
        known = {device.id: device for device in devices}
        for device in known.values():
            seen, one = [device.id], device
            where = listed[device.id]
            while one.speed is not None:
                like = one.speed.like
                if like not in known:
                    if one is device:  # else it is said of the other
                        expected = f"a device of this file{meant(like, known)}"
                        self._bad(where, f"devices.{device.id}.speed.like", expected, repr(like))
                    break
                if like in seen:
                    text = "a device that is not described by this one"
                    self._bad(where, f"devices.{device.id}.speed.like", text, repr(like))
                    break
                seen.append(like)
                one = known[like]

    # links

    def _links(self, given: Given | None, devices: Keys) -> tuple[Link, ...]:
        found: dict[tuple[str, str, str | None], Link] = {}
        for name, item in self._mapping(given, "links").items():
            for link in self._link(name, item, devices):
                way = (link.source, link.target, link.link)
                if way in found:
                    text = f"{link.source}>{link.target} once"
                    self._bad(item, f"links.{name}", text, "it twice")
                found[way] = link
        return tuple(found.values())

    def _link(self, name: str, item: Given, devices: Keys) -> Iterator[Link]:
        key = f"links.{name}"
        both = "<>" in name
        source, arrow, target = (part.strip() for part in name.partition("<>" if both else ">"))
        if not arrow or source == target:
            expected = "two devices, such as pi-1>pi-2, or pi-1<>pi-2 for both ways"
            self._bad(item, key, expected, repr(name)[:80])
            return
        for end in (source, target):
            if end not in devices:
                expected = f"devices of this file{meant(end, devices)}"
                self._bad(item, key, expected, repr(end)[:60])
                return
        fields = self._link_fields(item, key)
        yield Link(source=source, target=target, **fields)
        if both:
            yield Link(source=target, target=source, **fields)

    def _link_fields(self, item: Given, key: str) -> dict[str, Any]:
        if not isinstance(item.value, dict):
            short = values.short(item.value) if isinstance(item.value, str) else None
            if short is None:
                expected = "a text such as 20Mbit,8ms, or a mapping"
                self._bad(item, key, expected, values.shown(item.value))
            return dict(short or {})
        fields: dict[str, Any] = {}
        refuse = self.problems.append
        for part, value in self._keys(item, key, _LINK).items():
            where = f"{key}.{part}"
            if part == "cost":
                fields[part] = values.price(value, where, refuse)
            elif part == "link":
                if value.value not in link_names.names():
                    expected = f"one of {', '.join(link_names.names())}"
                    values.wrong(refuse, value, where, expected)
                else:
                    fields[part] = value.value
            else:
                fields[FIGURES[part][0]] = values.figure(part, value, where, refuse)
        return fields

    # keys

    def _named(self, item: Given, key: str, devices: Keys) -> str | None:
        if isinstance(item.value, str) and item.value in devices:
            return item.value
        self._bad(item, key, f"a device of this file{meant(item.value, devices)}")
        return None

    def _mapping(self, given: Given | None, key: str) -> Keys:
        if given is None or given.value is None:
            return {}
        if not isinstance(given.value, dict):
            self._bad(given, key, "a mapping")
            return {}
        return given.value

    def _keys(self, given: Given, key: str, known: tuple[str, ...]) -> Keys:
        return values.keys(given, key, known, self.problems.append)

    def _bad(self, item: Given, key: str, expected: str, got: str | None = None) -> None:
        shown = values.shown(item.value) if got is None else got
        self.problems.append(FleetValueError(item.where, key, expected=expected, got=shown))


def _nobody(_: FleetFileError) -> None:
    """Refuse nothing: it was refused elsewhere."""


def _line(error: FleetFileError) -> int:
    line = error.where.rpartition(":")[2]
    return int(line) if line.isdigit() else 0
