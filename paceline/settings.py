"""The front door's settings: how to reach a site, and where each value came from.

Option > environment ``PACELINE_*`` > file > default. The environment's name of a key is its
dotted path in capitals with underscores; an empty variable counts as not set. Relative paths in
the file are relative to its folder. A password is only ever the path of a file.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import msgspec

from paceline import settings_file
from paceline.settings_errors import (
    BadSettingError,
    SettingsUnreadableError,
    UnknownSettingError,
)
from paceline.settings_file import Given
from wire import broker_url, codec_names, ids, link_names
from wire.access import Access
from wire.errors import BadUrlError
from wire.topics import DEFAULT_ROOT, DEFAULT_SITE, Site

PREFIX: Final = "PACELINE_"
CONFIG_VARIABLE: Final = "PACELINE_CONFIG"


class Broker(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach the broker."""

    url: str = broker_url.DEFAULT_URL
    username: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    """Certificates that may sign the broker's; None: those of the system."""
    client_cert_file: Path | None = None
    """Our own certificate, for a broker that asks for one; may hold its key, too."""
    client_key_file: Path | None = None
    max_packet_bytes: int | None = None
    """The broker's packet limit, where it has one and does not tell."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the front door can be told beforehand."""

    broker: Broker = Broker()
    site: str = DEFAULT_SITE
    root: str = DEFAULT_ROOT
    codec: str = codec_names.DEFAULT
    """How a deploy lets stages send tensors to each other, where it does not say."""
    link: str = link_names.DEFAULT
    """What a deploy lets carry them, where it does not say; what goes to and from the broker is
    carried by it, too, if it can be."""

    @property
    def topics(self) -> Site:
        """The topics of the site."""
        return Site(self.site, self.root)

    @property
    def access(self) -> Access:
        """Who we are to the broker."""
        return Access(
            username=self.broker.username,
            password_file=self.broker.password_file,
            password_may_wait=True,
            ca_file=self.broker.ca_file,
            certificate_file=self.broker.client_cert_file,
            key_file=self.broker.client_key_file,
        )


KINDS: Final[Mapping[str, type]] = MappingProxyType(
    {
        "broker.url": str,
        "broker.username": str,
        "broker.password_file": Path,
        "broker.ca_file": Path,
        "broker.client_cert_file": Path,
        "broker.client_key_file": Path,
        "broker.max_packet_bytes": int,
        "site": str,
        "root": str,
        "codec": str,
        "link": str,
    }
)
"""Every dotted key and its type; the order is that of `config show`."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings and the source of each value."""

    settings: Settings
    sources: Mapping[str, str]
    """By dotted key: ``default``, ``config.yaml:3``, ``environment ...``, ``option ...``."""
    file: Path
    """Where the settings file is, or would be."""

    def rows(self) -> dict[str, dict[str, Any]]:
        """Return ``{dotted key: {value, source}}`` of plain data."""
        return {
            key: {"value": value(self.settings, key), "source": source}
            for key, source in self.sources.items()
        }


def variable(key: str) -> str:
    """Return the environment's name of a dotted key; an agent's keys have the same."""
    return PREFIX + key.replace(".", "_").upper()


def default_file(environ: Mapping[str, str]) -> Path:
    """Return where the user's settings are: ``$XDG_CONFIG_HOME/paceline/config.yaml``."""
    home = environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME") or Path.home()) / ".config"
    return Path(home) / "paceline" / "config.yaml"


def load(
    environ: Mapping[str, str],
    options: Mapping[str, object] | None = None,
    file: Path | None = None,
) -> Loaded:
    """Return the settings.

    Args:
        environ: The environment.
        options: Values from the command line by dotted key; None: not given.
        file: The settings file; None: ``PACELINE_CONFIG``, else the user's, which may be missing.

    Raises:
        SettingsUnreadableError: The file cannot be read, or was named and is missing.
        SettingsSyntaxError: It is not plain YAML.
        UnknownSettingError: A key is not known.
        BadSettingError: A value is not what its key takes.
    """
    named = file or (Path(environ[CONFIG_VARIABLE]) if environ.get(CONFIG_VARIABLE) else None)
    path = named or default_file(environ)
    values: dict[str, Any] = {}
    sources = dict.fromkeys(KINDS, "default")
    for folder, given in (
        (path.absolute().parent, _from_file(path, must_exist=named is not None)),
        (Path.cwd(), _from_environment(environ)),
        (Path.cwd(), _from_options(options or {})),
    ):
        for key, item in given.items():
            values[key] = _checked(key, item, folder)
            sources[key] = item.where
    return Loaded(_made(values), MappingProxyType(sources), path)


def _from_file(path: Path, *, must_exist: bool) -> dict[str, Given]:
    try:
        given = settings_file.read(path)
    except FileNotFoundError as error:
        if must_exist:
            raise SettingsUnreadableError(str(path), "there is no such file") from error
        return {}
    for key, item in given.items():
        if key not in KINDS and not (item.value is None and _is_heading(key)):
            nearest = difflib.get_close_matches(key, KINDS, n=1, cutoff=0.5)
            raise UnknownSettingError(
                item.where, key, nearest=nearest[0] if nearest else None, known=", ".join(KINDS)
            )
    return {key: item for key, item in given.items() if key in KINDS}


def _is_heading(key: str) -> bool:
    """Whether the key is a mapping's, as it stands when all below it is commented out."""
    return any(known.startswith(f"{key}.") for known in KINDS)


def _from_environment(environ: Mapping[str, str]) -> dict[str, Given]:
    names = {key: variable(key) for key in KINDS}
    return {
        key: Given(_number(key, environ[name]), f"environment {name}")
        for key, name in names.items()
        if environ.get(name)
    }


def _from_options(options: Mapping[str, object]) -> dict[str, Given]:
    return {
        key: Given(value, f"option --{key.removeprefix('broker.').replace('_', '-')}")
        if key != "broker.url"
        else Given(value, "option --broker")
        for key, value in options.items()
        if value is not None
    }


def _number(key: str, text: str) -> object:
    is_number = KINDS[key] is int and text.isascii() and text.isdigit() and len(text) < 20
    return int(text) if is_number else text


def _checked(key: str, given: Given, folder: Path) -> Any:
    value, kind = given.value, KINDS[key]
    if value is None and key.startswith("broker.") and key != "broker.url":
        return None
    if kind is Path and isinstance(value, str | Path) and str(value) and "\0" not in str(value):
        return folder / Path(value).expanduser()
    fits = isinstance(value, kind) and not isinstance(value, bool)
    if not fits:
        raise _bad(given, key, {str: "a text", int: "a number of bytes", Path: "a path"}[kind])
    if key in {"site", "root"} and not ids.is_id(value):
        raise _bad(given, key, "an id (1 to 48 of a-z 0-9 _ -, beginning with a letter or digit)")
    if key == "codec" and value not in codec_names.names():
        raise _bad(given, key, f"one of {', '.join(codec_names.names())}")
    if key == "link" and value not in link_names.names():
        raise _bad(given, key, f"one of {', '.join(link_names.names())}")
    if kind is int and value < 1024:
        raise _bad(given, key, "a number of bytes, at least 1024")
    if key == "broker.url":
        _check_url(given, key)
    return value


def _check_url(given: Given, key: str) -> None:
    try:
        broker_url.parse(given.value)
    except BadUrlError as error:
        # what stands before an @ may be a secret, so the value itself is not repeated
        raise BadSettingError(
            given.where,
            key,
            expected="a broker such as mqtt://localhost:1883 or mqtts://host:8883?protocol=3.1.1",
            got=f"an address that cannot be used: {error.problem}",
        ) from error


def _bad(given: Given, key: str, expected: str) -> BadSettingError:
    value = given.value
    got = "nothing" if value is None else f"{type(value).__name__} {value!r:.60}"
    return BadSettingError(given.where, key, expected=expected, got=got)


def _made(values: Mapping[str, Any]) -> Settings:
    broker = {k.removeprefix("broker."): v for k, v in values.items() if k.startswith("broker.")}
    rest = {key: value for key, value in values.items() if not key.startswith("broker.")}
    return Settings(broker=Broker(**broker), **rest)


def value(settings: Settings, key: str) -> Any:
    """Return one setting by its dotted key, as plain data."""
    found: Any = settings
    for name in key.split("."):
        found = getattr(found, name)
    return str(found) if isinstance(found, Path) else found
