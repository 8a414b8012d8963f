"""What a distribution asks of another, as far as we write it: ``name>=1.2,<3; extra == "cpu"``.

Not all of the standard (PEP 508): neither alternatives, nor markers of other kinds, nor versions
that are no numbers. What is not understood is taken to fit.
"""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

_FORM: Final = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?\s*\(?([^;)]*)\)?\s*(?:;(.*))?")
_EXTRA: Final = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")
_BOUND: Final = re.compile(r"(>=|<=|==|!=|>|<)\s*([0-9][0-9.]*)")
_HOLDS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement."""

    name: str
    """In its normal form."""
    range: str
    """Such as ``>=2.1,<3``."""
    extra: str | None
    """None: always asked for."""

    def takes(self, version: str) -> bool:
        """Return whether a version is in the range."""
        found = _numbers(version)
        return all(
            _HOLDS[sign](*_padded(found, _numbers(bound)))
            for sign, bound in _BOUND.findall(self.range)
        )


def parsed(text: str) -> Requirement:
    """Return the parts of a requirement's text."""
    match = _FORM.fullmatch(text.strip())
    name, bounds, marker = match.groups() if match else (text, "", "")
    extra = _EXTRA.search(marker or "")
    return Requirement(
        normal(name), "".join((bounds or "").split()), extra.group(1) if extra else None
    )


def normal(name: str) -> str:
    """Return a distribution's name as it is compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version: ``1.26.4+cu12`` is 1, 26, 4."""
    match = re.match(r"[0-9]+(?:\.[0-9]+)*", version)
    return tuple(int(part) for part in match.group().split(".")) if match else ()


def _padded(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Return both with the same number of parts: 2 and 2.0 are equal."""
    size = max(len(one), len(other))
    return tuple(numbers + (0,) * (size - len(numbers)) for numbers in (one, other))
