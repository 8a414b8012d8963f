"""YAML files that people write, as values with the lines they stand on.

Plain YAML only: mappings with distinct text keys, lists and scalars. Anchors, aliases and tags are
refused, so a small file cannot become a large value.
"""

import difflib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from wire.errors import CodedError

_LOADER: Final[type[Any]] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TEXT_TAG: Final = "tag:yaml.org,2002:str"


class YamlUnreadableError(CodedError):
    """A file cannot be read at all."""

    code = "yaml.unreadable"
    exit_code = 3

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path, problem)
        self.path = path
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}; name a readable YAML file"


class YamlSyntaxError(CodedError):
    """A file is not YAML, or uses more of YAML than it may."""

    code = "yaml.syntax"
    exit_code = 3

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(where, problem)
        self.where = where
        """Such as ``agent.yaml:3``."""
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}; correct the file"


class Given(NamedTuple):
    """One value as it was given, and where."""

    value: Any
    """A mapping's value is a ``dict[str, Given]``; a list's or scalar's is plain data."""
    where: str
    """Such as ``agent.yaml:3``."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much a file may hold."""

    file_bytes: int = 256 << 10
    events: int = 20_000
    depth: int = 12


def read(path: Path, bounds: Bounds = Bounds()) -> Given:
    """Return what the YAML file at ``path`` holds; an empty file is an empty mapping.

    Raises:
        FileNotFoundError: There is no such file.
        YamlUnreadableError: It is no regular file, too large or no text.
        YamlSyntaxError: It is not YAML, or not plain.
    """
    return parse(text(path, bounds), str(path), bounds)


def text(path: Path, bounds: Bounds = Bounds()) -> str:
    """Return what a file holds, as text.

    Raises:
        FileNotFoundError: There is no such file.
        YamlUnreadableError: It is no regular file, too large or no text.
    """
    try:
        # O_NONBLOCK: opening a named pipe must not wait for somebody to write
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise YamlUnreadableError(str(path), "is no regular file")
        with os.fdopen(descriptor, "rb") as file:
            data = file.read(bounds.file_bytes + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        problem = f"cannot be read ({error.strerror or error})"
        raise YamlUnreadableError(str(path), problem) from error
    if len(data) > bounds.file_bytes:
        raise YamlUnreadableError(str(path), f"larger than {bounds.file_bytes} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = f"is no UTF-8 text (byte {error.start})"
        raise YamlUnreadableError(str(path), problem) from error


def parse(text: str, name: str, bounds: Bounds = Bounds()) -> Given:
    """Return what ``text`` holds; ``name`` stands before the line numbers.

    Raises:
        YamlSyntaxError: It is not YAML, not plain, or no mapping.
    """
    try:
        _check_events(text, name, bounds)
        loader = _LOADER(text)
        try:
            node = loader.get_single_node()
            given = _given(loader, node, name) if node is not None else Given({}, f"{name}:1")
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}" if mark else name
        raise YamlSyntaxError(where, f"not YAML ({error.problem or error.context})") from error
    except (yaml.YAMLError, ValueError) as error:
        # ValueError: a timestamp that is no date, such as 2026-02-31
        raise YamlSyntaxError(name, f"not YAML ({str(error).splitlines()[0]:.200})") from error
    if given.value is None:
        return given._replace(value={})
    if not isinstance(given.value, dict):
        raise YamlSyntaxError(given.where, "no mapping of keys to values")
    return given


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return which of the known names a slip of the pen may have meant; None: none of them."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return found[0] if found else None


def _check_events(text: str, name: str, bounds: Bounds) -> None:
    """Refuse what could grow or run, before anything is built."""
    depth = 0
    events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)
    for count, event in enumerate(events):
        where = f"{name}:{event.start_mark.line + 1}"
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise YamlSyntaxError(where, "anchors and aliases are not allowed")
        if getattr(event, "tag", None):
            raise YamlSyntaxError(where, f"tags are not allowed (got {event.tag!r:.60})")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > bounds.depth or count > bounds.events:
            raise YamlSyntaxError(where, "nested too deep or too long")


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
            raise YamlSyntaxError(where, "a key that is no text")
        if key.value in seen:
            raise YamlSyntaxError(where, f"the key {key.value!r:.60} stands here twice")
        seen.add(key.value)
        yield key.value, _given(loader, value, name)._replace(where=where)
