"""Single values of a fleet file, each refused with its line when it is none. Pure."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from fleet.fleet_file import quantities
from fleet.fleet_file.description import BY_HAND, UNKNOWN, Figure, Price
from fleet.fleet_file.errors import FleetFileError, FleetKeyError, FleetValueError
from wire import plain_yaml
from wire.plain_yaml import Given

FIGURES: Final = {
    "memory": ("memory_bytes", "bytes"),
    "storage": ("storage_bytes", "bytes"),
    "on_chip": ("on_chip_bytes", "bytes"),
    "stream": ("stream_bytes_per_second", "rate"),
    "watts": ("watts", "watts"),
    "idle_watts": ("idle_watts", "watts"),
    "bandwidth": ("bytes_per_second", "rate"),
    "latency": ("latency_seconds", "seconds"),
    "jitter": ("jitter_seconds", "seconds"),
    "per_message": ("message_seconds", "seconds"),
}
"""By key: the field, and its kind of quantity."""
_MAY_BE_ZERO: Final = ("latency", "jitter", "per_message", "idle_watts")

Refuse = Callable[[FleetFileError], None]
Keys = Mapping[str, Given]


def figure(part: str, item: Given, key: str, refuse: Refuse) -> Figure:
    """Return the quantity of a key in ``FIGURES``; unknown where it is refused."""
    kind = FIGURES[part][1]
    found = quantities.quantity(kind, item.value, zero=part in _MAY_BE_ZERO)
    if found is None:
        wrong(refuse, item, key, quantities.WANTED[kind][1])
        return UNKNOWN
    return Figure(value=found, origin=BY_HAND)


def price(item: Given, key: str, refuse: Refuse) -> Price | None:
    """Return ``{amount, unit}``."""
    if not isinstance(item.value, dict):
        wrong(refuse, item, key, "a mapping of amount and unit")
        return None
    given = keys(item, key, ("amount", "unit"), refuse)
    amount, unit = (given.get(name, Given(None, item.where)) for name in ("amount", "unit"))
    number = quantities.quantity("watts", amount.value, zero=True)
    if isinstance(amount.value, str) or number is None:
        wrong(refuse, amount, f"{key}.amount", "a number, 0 or more")
    elif not (isinstance(unit.value, str) and quantities.is_price_unit(unit.value)):
        expected = (
            "a currency by what is paid for, such as EUR/month, USD/hour, USD/million_messages"
            " or EUR/GB"
        )
        wrong(refuse, unit, f"{key}.unit", expected)
    else:
        return Price(amount=number, unit=unit.value)
    return None


def flag(item: Given, key: str, refuse: Refuse) -> bool:
    """Return true or false."""
    if not isinstance(item.value, bool):
        wrong(refuse, item, key, "true or false")
    return item.value is True


def names(item: Given, key: str, refuse: Refuse) -> tuple[str, ...]:
    """Return a list of runtimes."""
    given = item.value
    if isinstance(given, list) and given and all(isinstance(n, str) and n for n in given):
        return tuple(given)
    wrong(refuse, item, key, "a list of runtimes, such as [onnx_cpu]")
    return ()


def keys(given: Given, key: str, known: tuple[str, ...], refuse: Refuse) -> Keys:
    """Return the known keys of a mapping, without those that have no value."""
    found: dict[str, Given] = {}
    if not isinstance(given.value, dict):
        if given.value is not None:
            wrong(refuse, given, key, "a mapping")
        return found
    for name, item in given.value.items():
        if name not in known:
            dotted = f"{key}.{name}" if key else name
            nearest = plain_yaml.nearest(name, known)
            refuse(FleetKeyError(item.where, dotted, nearest=nearest, known=", ".join(known)))
        elif item.value is not None:
            found[name] = item
    return found


def short(text: str) -> dict[str, Figure] | None:
    """Return the figures of ``20Mbit,8ms``: a rate, a latency, in any order; None: it is none."""
    found: dict[str, Figure] = {}
    for part in text.split(","):
        for key in ("bandwidth", "latency"):
            field, kind = FIGURES[key]
            unit = part.strip().lstrip("0123456789.")
            value = quantities.quantity(kind, part, zero=key == "latency") if unit else None
            if value is not None:
                if field in found:
                    return None
                found[field] = Figure(value=value, origin=BY_HAND)
                break
        else:
            return None
    return found


def wrong(refuse: Refuse, item: Given, key: str, expected: str) -> None:
    """Refuse a value."""
    refuse(FleetValueError(item.where, key, expected=expected, got=shown(item.value)))


def meant(name: object, known: Iterable[str]) -> str:
    """Return what a name may have meant, to be appended; empty: nobody knows."""
    nearest = plain_yaml.nearest(name, known) if isinstance(name, str) else None
    return f" (did you mean {nearest}?)" if nearest else ""


def shown(value: object) -> str:
    """Return a value as errors show it."""
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    return f"{type(value).__name__} {value!r:.60}"
