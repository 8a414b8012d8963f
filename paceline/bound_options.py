"""Options that say how far codecs may move a pipeline's outputs."""

from dataclasses import dataclass
from typing import Annotated, Final

from cyclopts import Group, Parameter, validators

from fleet.codec_effects.report import Bounds

_BOUNDS: Final = Group("Bounds", sort_key=80)

_Most = Annotated[
    float | None, Parameter(validator=validators.Number(gte=0), group=_BOUNDS, show_default=False)
]
_Share = Annotated[
    float | None,
    Parameter(validator=validators.Number(gte=0, lte=1), group=_BOUNDS, show_default=False),
]


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class BoundOptions:
    """How far outputs may be moved; else what moves them is refused (exit code 5)."""

    max_relative_l2: _Most = None
    """Of each output: the length of what changed over the length of the output, such as 0.01."""
    max_abs: _Most = None
    """Of each element."""
    min_top1: _Share = None
    """The share of rows of scores that must stay largest in the same place, such as 0.99."""

    @property
    def bounds(self) -> Bounds:
        """The same, as the fleet knows it."""
        return Bounds(
            max_abs=self.max_abs, max_relative_l2=self.max_relative_l2, min_top1=self.min_top1
        )

    @property
    def first(self) -> str:
        """Return the name of an option that was given; empty: none was."""
        given = {
            "--max-relative-l2": self.max_relative_l2,
            "--max-abs": self.max_abs,
            "--min-top1": self.min_top1,
        }
        return next((name for name, value in given.items() if value is not None), "")
