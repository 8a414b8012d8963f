"""Reads the settings file: YAML, as dotted keys with the lines they stand on.

Plain YAML only: mappings with distinct text keys, and scalars. Anchors, aliases and tags are
refused, so a small file cannot become a large value.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from paceline.settings_errors import SettingsSyntaxError, SettingsUnreadableError

MAX_FILE_BYTES: Final = 64 << 10
_MAX_DEPTH: Final = 4
_LOADER: Final[type[Any]] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TEXT_TAG: Final = "tag:yaml.org,2002:str"


class Given(NamedTuple):
    """One value as it was given, and where."""

    value: Any
    where: str
    """Such as ``config.yaml:3``."""


def read(path: Path) -> dict[str, Given]:
    """Return the values in ``path`` by dotted key.

    Raises:
        FileNotFoundError: There is no such file.
        SettingsUnreadableError: It cannot be read.
        SettingsSyntaxError: It is not YAML, or not plain.
    """
    return parse(_text(path), str(path))


def parse(text: str, name: str) -> dict[str, Given]:
    """Return the values in ``text`` by dotted key; ``name`` stands before the line numbers.

    Raises:
        SettingsSyntaxError: It is not YAML, or not plain.
    """
    try:
        _check_events(text, name)
        loader = _LOADER(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return {}
            if not isinstance(node, yaml.MappingNode):
                raise SettingsSyntaxError(f"{name}:1", "no mapping of keys to values")
            return dict(_leaves(loader, node, name, ""))
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}" if mark else name
        raise SettingsSyntaxError(where, f"not YAML ({error.problem or error.context})") from error
    except (yaml.YAMLError, ValueError) as error:
        # ValueError: a timestamp that is no date, such as 2026-02-31
        raise SettingsSyntaxError(name, f"not YAML ({str(error).splitlines()[0]:.200})") from error


def _text(path: Path) -> str:
    try:
        # O_NONBLOCK: opening a named pipe must not wait for somebody to write
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise SettingsUnreadableError(str(path), "is no regular file")
            data = os.read(descriptor, MAX_FILE_BYTES + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise
    except OSError as error:
        problem = f"cannot be read ({error.strerror or error})"
        raise SettingsUnreadableError(str(path), problem) from error
    if len(data) > MAX_FILE_BYTES:
        raise SettingsUnreadableError(str(path), f"larger than {MAX_FILE_BYTES} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = f"is no UTF-8 text (byte {error.start})"
        raise SettingsUnreadableError(str(path), problem) from error


def _check_events(text: str, name: str) -> None:
    """Refuse what could grow or run, before anything is built."""
    depth = 0
    events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)
    for event in events:
        where = f"{name}:{event.start_mark.line + 1}"
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise SettingsSyntaxError(where, "anchors and aliases are not allowed")
        if getattr(event, "tag", None):
            raise SettingsSyntaxError(where, f"tags are not allowed (got {event.tag!r:.60})")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise SettingsSyntaxError(where, "nested too deep")


def _leaves(
    loader: Any, node: yaml.MappingNode, name: str, prefix: str
) -> Iterator[tuple[str, Given]]:
    seen: set[str] = set()
    for key, value in node.value:
        where = f"{name}:{key.start_mark.line + 1}"
        if not isinstance(key, yaml.ScalarNode) or key.tag != _TEXT_TAG:
            raise SettingsSyntaxError(where, "a key that is no text")
        if key.value in seen:
            raise SettingsSyntaxError(where, f"the key {key.value!r:.60} stands here twice")
        seen.add(key.value)
        dotted = prefix + key.value
        if isinstance(value, yaml.MappingNode):
            yield from _leaves(loader, value, name, f"{dotted}.")
        else:
            yield dotted, Given(loader.construct_object(value, deep=True), where)
