"""A tree of Structs as a flat list of dotted keys, and back."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args

import msgspec

from agent.config import source as config_source
from agent.config import values as config_values
from agent.config.errors import ConfigError, ConfigValueError
from agent.config.source import Given


def kinds(group: type[msgspec.Struct], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted key, annotation) of every value below ``group``."""
    for field in msgspec.structs.fields(group):
        key = prefix + field.name
        inner = _group(field.type)
        if inner is None:
            yield key, field.type
        else:
            yield from kinds(inner, f"{key}.")


def leaves(
    group: type[msgspec.Struct],
    given: Given,
    refuse: Callable[[ConfigError], None],
    key: str = "",
) -> Iterator[tuple[str, Given]]:
    """Yield (dotted key, value) of a mapping from YAML.

    ``refuse`` is called with a key that ``group`` does not have, and with a scalar or a list that
    stands where a mapping belongs.
    """
    if given.value is None:
        return  # a heading with every key below it commented out
    if not isinstance(given.value, dict):
        got = config_values.shown(given.value)
        refuse(ConfigValueError(given.where, key, expected="a mapping", got=got))
        return
    fields = {field.name: field.type for field in msgspec.structs.fields(group)}
    for name, item in given.value.items():
        if name not in fields:
            refuse(config_source.unknown(item.where, key, name, fields))
            continue
        dotted = f"{key}.{name}" if key else name
        inner = _group(fields[name])
        if inner is None:
            yield dotted, item
        else:
            yield from leaves(inner, item, refuse, dotted)


def made(group: type[msgspec.Struct], values: Mapping[str, Any], prefix: str = "") -> Any:
    """Return the Struct of the checked values under ``prefix``, defaults elsewhere."""
    arguments: dict[str, Any] = {}
    for field in msgspec.structs.fields(group):
        key = prefix + field.name
        inner = _group(field.type)
        if inner is not None and any(k.startswith(f"{key}.") for k in values):
            arguments[field.name] = made(inner, values, f"{key}.")
        elif key in values:
            arguments[field.name] = values[key]
    return group(**arguments)


def at(plain: Any, key: str) -> Any:
    """Return the value under a dotted key of nested mappings."""
    for name in key.split("."):
        plain = plain[name]
    return plain


def _group(kind: Any) -> type[msgspec.Struct] | None:
    """Return the Struct that an annotation names, also as ``Struct | None``."""
    for part in (kind, *get_args(kind)):
        if isinstance(part, type) and issubclass(part, msgspec.Struct):
            return part
    return None
