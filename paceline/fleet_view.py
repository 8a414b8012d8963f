"""A fleet as people read it: every figure with how it is known."""

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table

from fleet.fleet_file.description import MEASURED, Device, Figure, Fleet, Link, Price
from fleet.fleet_file.errors import FleetFileError
from paceline.formatting import size_text
from paceline.profile_view import time_text

_UNKNOWN = "?"
_MEASURED = " ·"
"""Behind a figure that was measured."""


def show(console: Console, fleet: Fleet) -> None:
    """Print devices and links."""
    titles = ("device", "speed", "memory", "storage", "power", "cost")
    devices = _table(*titles)
    for device in fleet.devices:
        devices.add_row(*_device(device))
    console.print(devices)
    if fleet.links:
        links = _table("link", "carried by", "rate", "latency", "jitter", "a message", "cost")
        for link in fleet.links:
            links.add_row(*_link(link))
        console.print()
        console.print(links)
    for end, name in (("frames come from", fleet.source), ("answers go to", fleet.sink)):
        if name is not None:
            console.print(f"{end} {name}", style="dim")
    console.print(
        f"{_MEASURED.strip()} measured, the others described by hand; {_UNKNOWN} unknown here",
        style="dim",
    )


def show_problems(console: Console, file: str, problems: Sequence[FleetFileError]) -> None:
    """Print what is wrong, one a line."""
    for problem in problems:
        console.print(str(problem), soft_wrap=True)
    if not problems:
        console.print(f"{file}: nothing is wrong with it", soft_wrap=True)


def _device(device: Device) -> tuple[str, ...]:
    speed = "measured"
    if device.speed is not None:
        speed = f"{device.speed.times:g} x {device.speed.like}"
    return (
        f"{device.id} (cloud)" if device.cloud else device.id,
        speed,
        _text(device.memory_bytes, size_text),
        _text(device.storage_bytes, size_text),
        _text(device.watts, lambda watts: f"{watts:.3g} W"),
        _price(device.cost),
    )


def _link(link: Link) -> tuple[str, ...]:
    return (
        f"{link.source} > {link.target}",
        link.link or "any",
        _text(link.bytes_per_second, rate_text),
        *(
            _text(figure, time_text)
            for figure in (link.latency_seconds, link.jitter_seconds, link.message_seconds)
        ),
        _price(link.cost),
    )


def rate_text(bytes_per_second: float) -> str:
    """Return a rate in bits, as networks are sold, such as ``940 Mbit/s``."""
    bits = bytes_per_second * 8
    for factor, unit in ((1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s")):
        if bits >= factor:
            return f"{bits / factor:.3g} {unit}"
    return f"{bits:.3g} bit/s"


def _text(figure: Figure, write: Callable[[float], str]) -> str:
    """Return a figure, with a mark where it was measured."""
    if figure.value is None:
        return _UNKNOWN
    return write(figure.value) + (_MEASURED if figure.origin == MEASURED else "")


def _price(price: Price | None) -> str:
    return "" if price is None else f"{price.amount:g} {price.unit}"


def _table(first: str, *titles: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(first, no_wrap=True)
    for title in titles:
        table.add_column(title, justify="right", no_wrap=True)
    return table
