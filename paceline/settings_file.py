"""Reads the settings file: YAML, as dotted keys with the lines they stand on."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from paceline.settings_errors import SettingsSyntaxError, SettingsUnreadableError
from wire import plain_yaml
from wire.plain_yaml import Bounds, Given, YamlSyntaxError, YamlUnreadableError

__all__ = ["Given", "parse", "read"]

BOUNDS: Final = Bounds(file_bytes=64 << 10, depth=4)


def read(path: Path) -> dict[str, Given]:
    """Return the values in ``path`` by dotted key.

    Raises:
        FileNotFoundError: There is no such file.
        SettingsUnreadableError: It cannot be read.
        SettingsSyntaxError: It is not YAML, or not plain.
    """
    try:
        return dict(_leaves(plain_yaml.read(path, BOUNDS), ""))
    except YamlUnreadableError as error:
        raise SettingsUnreadableError(error.path, error.problem) from error
    except YamlSyntaxError as error:
        raise SettingsSyntaxError(error.where, error.problem) from error


def parse(text: str, name: str) -> dict[str, Given]:
    """Return the values in ``text`` by dotted key; ``name`` stands before the line numbers.

    Raises:
        SettingsSyntaxError: It is not YAML, or not plain.
    """
    try:
        return dict(_leaves(plain_yaml.parse(text, name, BOUNDS), ""))
    except YamlSyntaxError as error:
        raise SettingsSyntaxError(error.where, error.problem) from error


def _leaves(given: Given, prefix: str) -> Iterator[tuple[str, Given]]:
    for name, item in given.value.items():
        if isinstance(item.value, dict):
            yield from _leaves(item, f"{prefix}{name}.")
        else:
            yield prefix + name, item
