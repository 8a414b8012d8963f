"""Which weights outside a model file may be referenced, and what such a file must be.

No I/O: the scan collects `Reference`s, the caller opens the files and asks `check_file`. Runtimes
follow `..`, absolute paths, links and, with one marker, even memory addresses; so nothing is left
to them.
"""

import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from wire import segment_files
from wire.model.errors import ExternalDataError
from wire.model.structure import shown

WEIGHTS_FILE: Final = segment_files.WEIGHTS
"""The one file beside a segment's ``segment.onnx``."""
_KEYS: Final = frozenset({"location", "offset", "length", "checksum"})
_NUMBER: Final = re.compile(r"[0-9]{1,19}", re.ASCII)
_DRIVE: Final = re.compile(r"[A-Za-z]:")
_MAX_LOCATION: Final = 1024


class Policy(StrEnum):
    """Where a model comes from, and so what it may refer to."""

    SEGMENT = "segment"
    """Made by our splitter: references are to ``weights.bin`` alone, unknown fields are refused."""
    SOURCE = "source"
    """From outside, read by the splitter: references stay inside the model's own folder."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A range of bytes in a file beside the model."""

    location: str
    """Relative to the model's folder, ``/`` between its parts."""
    offset_bytes: int
    size_bytes: int
    tensor: str


def reference(
    source: str,
    place: str,
    entries: Iterable[tuple[str, str]],
    *,
    size_bytes: int,
    policy: Policy,
    weights_bytes: int | None,
) -> Reference:
    """Return what a tensor of ``size_bytes`` refers to, if ``policy`` allows it.

    Args:
        source: The model file's name, for messages.
        place: The tensor, for messages.
        entries: Keys and values of ``external_data``.
        size_bytes: What the tensor's shape and element type need.
        policy: What may be referred to.
        weights_bytes: Size of ``weights.bin``; None: there is none (SEGMENT) or unknown (SOURCE).

    Raises:
        ExternalDataError: The policy does not allow it.
    """

    def refuse(rule: str) -> ExternalDataError:
        return ExternalDataError(source, place, rule)

    known: dict[str, str] = {}
    for key, value in entries:
        if key not in _KEYS or key in known:
            raise refuse(f"external_data key {shown(key)} is unknown or stands twice")
        known[key] = value
    location = known.get("location", "")
    problem = _location_problem(location, policy)
    if problem:
        raise refuse(f"external location {shown(location)} {problem}")
    for key in ("offset", "length"):
        if key in known and not _NUMBER.fullmatch(known[key]):
            raise refuse(f"external {key} {shown(known[key])} is not a non-negative integer")
    offset, length = int(known.get("offset", "0")), int(known.get("length", size_bytes))
    if length != size_bytes:
        raise refuse(f"external length is {length} bytes (shape and type need {size_bytes})")
    if policy is Policy.SEGMENT and offset + length > (weights_bytes or 0):
        raise refuse(
            f"bytes {offset} to {offset + length} are outside {WEIGHTS_FILE}"
            f" ({weights_bytes or 0} bytes)"
        )
    return Reference(location, offset, length, place)


def check_file(
    source: str, location: str, info: os.stat_result, *, needed_bytes: int, one_link: bool = True
) -> None:
    """Check what ``fstat`` says of a referenced file.

    The caller opens it with O_NOFOLLOW, and each folder on the way to it too: a symbolic link in
    the path cannot be seen in ``info``.

    Raises:
        ExternalDataError: Not a regular file, reachable by another name too, or too short.
    """
    place = f"file {shown(location)}"
    if not stat.S_ISREG(info.st_mode):
        raise ExternalDataError(
            source, place, f"is not a regular file ({stat.filemode(info.st_mode)})"
        )
    if one_link and info.st_nlink != 1:
        raise ExternalDataError(source, place, f"has {info.st_nlink} hard links (expected 1)")
    if info.st_size < needed_bytes:
        raise ExternalDataError(
            source, place, f"has {info.st_size} bytes (its tensors need {needed_bytes})"
        )


def _location_problem(location: str, policy: Policy) -> str:
    if policy is Policy.SEGMENT:
        return "" if location == WEIGHTS_FILE else f"is not {WEIGHTS_FILE!r}"
    if not location or len(location) > _MAX_LOCATION:
        return f"has {len(location)} characters (1 to {_MAX_LOCATION})"
    if location.startswith("/") or _DRIVE.match(location):
        return "is absolute"
    if ".." in location.split("/"):
        return "leaves the model's folder"
    # '\' separates folders elsewhere; '*' begins onnxruntime's marker for "this is an address".
    if not location.isprintable() or "\\" in location or "*" in location:
        return "contains a character that no file name here may have"
    return ""
