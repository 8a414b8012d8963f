"""The kinds of values in a configuration, and how one value is checked.

A value from YAML must have its type exactly; one from the environment or the command line is a
text that is read as that type. Sizes are bytes as an int or a text with a unit (``64MiB``);
durations are numbers of seconds.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args, get_origin
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from wire import broker_url, ids
from wire.errors import BadUrlError
from wire.frame import MAX_FRAME_BYTES

UNITS: Final = {
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 1 << 10,
    "MiB": 1 << 20,
    "GiB": 1 << 30,
}
CREDENTIAL: Final = "credential:"
"""What a path begins with that names one of the unit's credentials."""
CREDENTIAL_FOLDER: Final = "paceline"
"""The unit loads a whole folder under this name, and systemd puts it before each file's."""
_CREDENTIAL_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,254}")
MAX_SIZE_BYTES: Final = 1 << 50
MAX_SECONDS: Final = 7 * 86400.0

_SIZE_SCHEMA: Final = {"pattern": f"^[0-9]+([.][0-9]+)? ?({'|'.join(UNITS)})?$"}

Size = Annotated[
    int,
    Meta(
        ge=0,
        le=MAX_SIZE_BYTES,
        description="bytes (an int, or a text such as 64MiB)",
        extra={"size": True},
        extra_json_schema=_SIZE_SCHEMA,
    ),
]
"""Bytes."""
FrameSize = Annotated[
    int,
    Meta(
        ge=1024,
        le=MAX_FRAME_BYTES,
        description=f"bytes, 1024 to {MAX_FRAME_BYTES} (an int, or a text such as 64MiB)",
        extra={"size": True},
        extra_json_schema=_SIZE_SCHEMA,
    ),
]
"""Bytes of a frame."""
Seconds = Annotated[
    float, Meta(gt=0, le=MAX_SECONDS, description="seconds (a number above 0, up to 7 days)")
]
"""A duration."""
Name = Annotated[
    str,
    Meta(
        pattern=ids.PATTERN,
        description="an id (1 to 48 of a-z 0-9 _ -, beginning with a letter or digit)",
    ),
]
"""An id that becomes part of topics."""
Origin = Annotated[
    str,
    Meta(
        pattern=(
            r"^https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?"
            r"(/[A-Za-z0-9._~/-]*)?$"
        ),
        max_length=1000,
        description="an address such as http://localhost:8788, without user, password or query",
        extra={"origin": True},
    ),
]
"""Where artifacts come from."""
UserName = Annotated[
    str,
    Meta(pattern=r"^[^\x00]*$", max_length=1000, description="a user's name (a text without NUL)"),
]
"""Who we are to a broker."""
BrokerAddress = Annotated[str, Meta(max_length=1000, extra={"broker": True})]
"""A broker's URL, as `wire.broker_url` reads it."""

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_SIZE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([A-Za-z]+)")
_GOT: Final = re.compile(r"^Expected `(?P<expected>.*?)`(?P<rest>[^`]*)(?:, got `.*?`)?$")


class BadValueError(ValueError):
    """One value is not what its key takes; `agent.config.source` adds where it stands."""

    def __init__(self, expected: str, got: str, suffix: str = "") -> None:
        super().__init__(expected, got, suffix)
        self.expected = expected
        self.got = got
        self.suffix = suffix
        """``[1]`` when the second item of a list is meant."""


def parse_size(text: str) -> int:
    """Return the bytes that a text such as ``64MiB`` means.

    Raises:
        BadValueError: No number, or a unit that we do not know.
    """
    if text.isascii() and text.isdigit() and len(text) <= 16:
        return int(text)
    match = _SIZE.fullmatch(text)
    if match is None or len(text) > 40:
        raise BadValueError("bytes (an int, or a text such as 64MiB)", shown(text))
    number, unit = match.groups()
    if unit not in UNITS:
        raise BadValueError(f"a unit of {', '.join(UNITS)}", shown(text))
    return int(float(number) * UNITS[unit])


def checked(
    value: object, kind: Any, *, folder: Path, text: bool, credentials: Path | None = None
) -> Any:
    """Return ``value`` as the type ``kind``.

    Args:
        value: From YAML, the environment or the command line.
        kind: The annotation of its field.
        folder: What relative paths are relative to.
        text: Whether ``value`` is a text that stands for a value of that type.
        credentials: The folder that ``credential:NAME`` is in; None: there is none.

    Raises:
        BadValueError: It is none.
    """
    traits = dict(_traits(kind))
    item: object = value
    if not _is_text(value):
        raise BadValueError("text in UTF-8", shown(value))
    if text and isinstance(value, str) and _is_list(kind):
        item = [part.strip() for part in value.split(",") if part.strip()]
    elif "size" in traits and isinstance(value, str):
        item = parse_size(value)
    try:
        made = msgspec.convert(
            item, kind, strict=not text, dec_hook=lambda t, v: _path(t, v, folder, credentials)
        )
    except msgspec.ValidationError as error:
        raise _refusal(error, value, kind, traits) from None
    if "broker" in traits and isinstance(made, str):
        _check_broker(made)
    if "origin" in traits and not _is_origin(made):
        raise BadValueError(traits["description"], shown(value))
    if "check" in traits and not traits["check"](made):
        raise BadValueError(traits["description"], shown(value))
    return made


def shown(value: object) -> str:
    """Return a value as errors show it: its type, and the beginning of it."""
    if value is None:
        return "nothing"
    names = {dict: "a mapping", list: "a list", bool: "bool"}
    name = names.get(type(value), type(value).__name__)
    if isinstance(value, dict | list):
        return name
    if isinstance(value, str) and "@" in value:
        value = f"...@{value.rpartition('@')[2]}"  # what stands before it may be a secret
    return f"{name} {value!r:.60}"


def _is_text(value: object) -> bool:
    """Whether texts in a value have an encoding: an environment may hold any bytes."""
    if isinstance(value, list):
        return all(map(_is_text, value))
    return not isinstance(value, str) or value.isascii() or not _SURROGATE.search(value)


def _check_broker(url: str) -> None:
    try:
        broker_url.parse(url)
    except BadUrlError as error:
        # the parts before an @ may be a secret, so the value itself is not repeated
        raise BadValueError(
            "a broker such as mqtt://localhost:1883 or mqtts://host:8883?protocol=3.1.1",
            f"an address that cannot be used: {error.problem}",
        ) from error


def _is_origin(url: str) -> bool:
    """Whether the host and port of what has an origin's form can be connected to."""
    try:
        parts = urlsplit(url)
        return parts.port != 0 and broker_url.is_host(parts.hostname or "") and url == url.strip()
    except ValueError:
        return False


def _path(kind: type, value: object, folder: Path, credentials: Path | None) -> Any:
    if kind is not Path:
        raise NotImplementedError(kind)
    if not isinstance(value, str) or not value or "\0" in value:
        raise BadValueError("a path", shown(value))
    if value.startswith(CREDENTIAL):
        return _credential(value, credentials)
    try:
        return folder / Path(value).expanduser()
    except RuntimeError:
        raise BadValueError("a path in a home that exists", shown(value)) from None


def _credential(value: str, credentials: Path | None) -> Path:
    name = value.removeprefix(CREDENTIAL)
    if not _CREDENTIAL_NAME.fullmatch(name):
        raise BadValueError("credential: and a name such as broker.password", shown(value))
    if credentials is None:
        expected = (
            "the path of a file, for this process was given no credentials (LoadCredential= in a"
            " systemd unit sets $CREDENTIALS_DIRECTORY)"
        )
        raise BadValueError(expected, shown(value))
    of_folder = credentials / f"{CREDENTIAL_FOLDER}_{name}"
    # os.path: a folder that is not for this user's eyes is no error here
    return of_folder if os.path.exists(of_folder) else credentials / name  # noqa: PTH110


def _refusal(
    error: msgspec.ValidationError, value: object, kind: Any, traits: dict[str, Any]
) -> BadValueError:
    cause = error.__cause__
    text, _, place = str(error).partition(" - at `$")
    suffix = place.rstrip("`")
    if isinstance(cause, BadValueError):
        return BadValueError(cause.expected, cause.got, suffix)
    got = shown(_item(value, suffix))
    if choices := _choices(kind):
        return BadValueError(f"one of {', '.join(choices)}", got)
    if description := traits.get("description"):
        return BadValueError(str(description), got, suffix)
    match = _GOT.match(text)
    expected = match["expected"] + match["rest"] if match else text
    expected = expected.replace(" | null", " or nothing").replace("array", "a list")
    return BadValueError(expected, got, suffix)


def _item(value: object, suffix: str) -> object:
    if isinstance(value, list) and suffix[1:-1].isdigit():
        return value[int(suffix[1:-1])]
    return value


def _traits(kind: Any) -> Iterator[tuple[str, Any]]:
    """Yield what the `Meta` of an annotation, or of a member of a union, says."""
    for part in get_args(kind):
        if isinstance(part, Meta):
            yield from (part.extra or {}).items()
            if part.description:
                yield "description", part.description
        elif get_args(part):
            yield from _traits(part)


def _choices(kind: Any) -> tuple[str, ...]:
    if get_origin(kind) is Literal:
        return tuple(map(str, get_args(kind)))
    return ()


def _is_list(kind: Any) -> bool:
    if get_origin(kind) is Annotated:
        return _is_list(get_args(kind)[0])
    return get_origin(kind) in {list, tuple}
