"""Names that become parts of topics and paths, checked at every boundary."""

import re
from functools import lru_cache
from typing import Final, NewType

from wire.errors import BadIdError

SiteId = NewType("SiteId", str)
DeviceId = NewType("DeviceId", str)
PipelineId = NewType("PipelineId", str)
ClientId = NewType("ClientId", str)

PATTERN: Final = r"^[a-z0-9][a-z0-9_-]{0,47}$"
_VALID: Final = re.compile(PATTERN[1:-1])
_LONGEST: Final = 48


def is_id(text: object) -> bool:
    """Whether ``text`` may be an id."""
    return isinstance(text, str) and _is_valid(text[: _LONGEST + 1])


@lru_cache(maxsize=1024)
def _is_valid(text: str) -> bool:
    return _VALID.fullmatch(text) is not None


def checked(text: object, what: str) -> str:
    """Return ``text`` if it is an id.

    Raises:
        BadIdError: It is not; ``what`` names it in the message.
    """
    if isinstance(text, str) and _VALID.fullmatch(text):
        return text
    raise BadIdError(what, text)


def id_from(text: str, fallback: str) -> str:
    """Return an id made from free text such as a file name; ``fallback`` if nothing is left."""
    made = re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-_")[:48]
    return made if _VALID.fullmatch(made) else fallback
