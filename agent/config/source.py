"""Where configuration values come from: a YAML file with its lines, and flat texts.

The file may hold plain YAML only: mappings with distinct text keys, lists and scalars. Anchors,
aliases and tags are refused, so a small file cannot become a large value.
"""

import difflib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from agent.config.errors import ConfigSyntaxError, ConfigUnreadableError, UnknownKeyError

MAX_FILE_BYTES: Final = 256 << 10
MAX_EVENTS: Final = 20_000
MAX_DEPTH: Final = 12

_LOADER: Final[type[Any]] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TEXT_TAG: Final = "tag:yaml.org,2002:str"


class Given(NamedTuple):
    """One value as it was given, and where."""

    value: Any
    """A mapping's value is a ``dict[str, Given]``; a list's or scalar's is plain data."""
    where: str
    """Such as ``agent.yaml:3``."""


def read(path: Path) -> Given:
    """Return what the YAML file at ``path`` holds; an empty file is an empty mapping.

    Raises:
        ConfigUnreadableError: It is missing, no regular file, too large or no text.
        ConfigSyntaxError: It is not YAML, or not plain.
    """
    return parse(_text(path), str(path))


def drop_ins(path: Path) -> tuple[Path, ...]:
    """Return the files of ``agent.d`` beside ``agent.yaml``, by name.

    Raises:
        ConfigUnreadableError: There is such a folder, and it cannot be listed.
    """
    folder = path.with_suffix(".d")
    try:
        found = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as error:
        problem = f"cannot be listed ({error.strerror or error})"
        raise ConfigUnreadableError(str(folder), problem) from error
    return tuple(f for f in found if f.suffix == ".yaml" and not f.name.startswith("."))


def parse(text: str, name: str) -> Given:
    """Return what ``text`` holds; ``name`` stands before the line numbers.

    Raises:
        ConfigSyntaxError: It is not YAML, not plain, or no mapping.
    """
    try:
        _check_events(text, name)
        loader = _LOADER(text)
        try:
            node = loader.get_single_node()
            given = _given(loader, node, name) if node is not None else Given({}, f"{name}:1")
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}" if mark else name
        raise ConfigSyntaxError(where, f"not YAML ({error.problem or error.context})") from error
    except (yaml.YAMLError, ValueError) as error:
        # ValueError: a timestamp that is no date, such as 2026-02-31
        raise ConfigSyntaxError(name, f"not YAML ({str(error).splitlines()[0]:.200})") from error
    if given.value is None:
        return given._replace(value={})
    if not isinstance(given.value, dict):
        raise ConfigSyntaxError(given.where, "no mapping of keys to values")
    return given


def unknown(where: str, group: str, name: str, known: Iterable[str]) -> UnknownKeyError:
    """Return the error for the key ``name`` that ``group`` does not have."""
    names = list(known)
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    key = f"{group}.{name}" if group else name
    return UnknownKeyError(
        where, key, nearest=nearest[0] if nearest else None, known=", ".join(names)
    )


def _text(path: Path) -> str:
    try:
        # O_NONBLOCK: opening a named pipe must not wait for somebody to write
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise ConfigUnreadableError(str(path), "is no regular file")
        with os.fdopen(descriptor, "rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigUnreadableError(
            str(path), f"cannot be read ({error.strerror or error})"
        ) from error
    if len(data) > MAX_FILE_BYTES:
        raise ConfigUnreadableError(str(path), f"larger than {MAX_FILE_BYTES} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigUnreadableError(str(path), f"is no UTF-8 text (byte {error.start})") from error


def _check_events(text: str, name: str) -> None:
    """Refuse what could grow or run, before anything is built."""
    depth = 0
    events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)
    for count, event in enumerate(events):
        where = f"{name}:{event.start_mark.line + 1}"
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise ConfigSyntaxError(where, "anchors and aliases are not allowed")
        if getattr(event, "tag", None):
            raise ConfigSyntaxError(where, f"tags are not allowed (got {event.tag!r:.60})")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH or count > MAX_EVENTS:
            raise ConfigSyntaxError(where, "nested too deep or too long")


def _given(loader: Any, node: yaml.Node, name: str) -> Given:
    where = f"{name}:{node.start_mark.line + 1}"
    if isinstance(node, yaml.MappingNode):
        return Given(dict(_pairs(loader, node, name)), where)
    return Given(loader.construct_object(node, deep=True), where)


def _pairs(loader: Any, node: yaml.MappingNode, name: str) -> Iterator[tuple[str, Given]]:
    seen: set[str] = set()
    for key, value in node.value:
        where = f"{name}:{key.start_mark.line + 1}"
        if not isinstance(key, yaml.ScalarNode) or key.tag != _TEXT_TAG:
            raise ConfigSyntaxError(where, "a key that is no text")
        if key.value in seen:
            raise ConfigSyntaxError(where, f"the key {key.value!r:.60} stands here twice")
        seen.add(key.value)
        yield key.value, _given(loader, value, name)._replace(where=where)
