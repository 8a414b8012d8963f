"""Where configuration values come from: a YAML file with its lines, and flat texts."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from agent.config.errors import ConfigSyntaxError, ConfigUnreadableError, UnknownKeyError
from wire import plain_yaml
from wire.plain_yaml import Bounds, Given, YamlSyntaxError, YamlUnreadableError

__all__ = ["Given", "drop_ins", "parse", "read", "unknown"]

BOUNDS: Final = Bounds()


def read(path: Path) -> Given:
    """Return what the YAML file at ``path`` holds; an empty file is an empty mapping.

    Raises:
        ConfigUnreadableError: It is missing, no regular file, too large or no text.
        ConfigSyntaxError: It is not YAML, or not plain.
    """
    try:
        return plain_yaml.read(path, BOUNDS)
    except FileNotFoundError as error:
        raise ConfigUnreadableError(str(path), f"cannot be read ({error.strerror})") from error
    except YamlUnreadableError as error:
        raise ConfigUnreadableError(error.path, error.problem) from error
    except YamlSyntaxError as error:
        raise ConfigSyntaxError(error.where, error.problem) from error


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
        return plain_yaml.parse(text, name, BOUNDS)
    except YamlSyntaxError as error:
        raise ConfigSyntaxError(error.where, error.problem) from error


def unknown(where: str, group: str, name: str, known: Iterable[str]) -> UnknownKeyError:
    """Return the error for the key ``name`` that ``group`` does not have."""
    names = list(known)
    key = f"{group}.{name}" if group else name
    nearest = plain_yaml.nearest(name, names)
    return UnknownKeyError(where, key, nearest=nearest, known=", ".join(names))
