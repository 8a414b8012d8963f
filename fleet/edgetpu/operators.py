"""What the Edge TPU's compiler maps, as `operators.json` beside this file says it.

The file holds facts of Coral's page under ``source``, in our own words; rules are those of
`fleet.edgetpu.rules`. Operators are named as in TFLite's schema.
"""

from functools import cache
from importlib import resources

import msgspec


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One published limitation of an operator."""

    rule: str
    since: int | None = None
    """From this version of the Edge TPU runtime on; None: in all."""
    until: int | None = None
    """Up to this version, itself included."""

    def holds(self, runtime: int) -> bool:
        """Whether it holds for models made for this version of the Edge TPU runtime."""
        return (self.since or 0) <= runtime <= (runtime if self.until is None else self.until)


class Supported(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is published of one operator."""

    since: int | None = None
    """The first version of the Edge TPU runtime that has it; None: all have."""
    limits: tuple[Limit, ...] = ()
    caution: str = ""
    """A limitation that only the compiler can judge; empty: there is none."""


class Published(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The list of supported operators, and where it is from."""

    source: str
    also: str
    """Where most of it stands again."""
    compared: str
    """What of this copy was compared with which of them, and when."""
    compiler: str
    """The compiler's version that it is of."""
    newest_runtime: int
    """The newest version of the Edge TPU runtime that it tells of."""
    operators: dict[str, Supported]


@cache
def published() -> Published:
    """Return the list."""
    data = resources.files(__package__).joinpath("operators.json").read_bytes()
    return msgspec.json.decode(data, type=Published)
