"""What was noted when the agent was installed. Pure; a note may be damaged, or say too much."""

import re
from typing import Final

import msgspec

from paceline.device import places

_OURS: Final = re.compile(
    "|".join(
        [
            *map(re.escape, map(str, (places.SCHEMA_FILE, places.UNIT_FILE, places.WANTED_BY))),
            rf"{re.escape(str(places.DROP_INS))}/[\w-]+\.conf",
            rf"{re.escape(str(places.UDEV_RULES))}/\d+-{places.USER}-[\w-]+\.rules",
        ]
    ),
    re.ASCII,
)
"""Files that an installation writes and notes, whole paths."""


class Noted(msgspec.Struct, frozen=True, kw_only=True):
    """Which version was installed, for which kind of device, and by which files."""

    slot: str = ""
    kind: str = ""
    files: tuple[str, ...] = ()
    """The configuration apart."""


def decoded(data: bytes) -> Noted | None:
    """Return what a note says, of its files those that are ours; None: it is damaged."""
    try:
        noted = msgspec.json.decode(data, type=Noted)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    files = tuple(name for name in noted.files if _OURS.fullmatch(name))
    return msgspec.structs.replace(noted, files=files)
