"""Options of `paceline split` for an Edge TPU."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from cyclopts import Group, Parameter

from fleet.edgetpu.operators import published
from fleet.edgetpu.target import EdgeTpu
from fleet.errors import BadRequestError

_GROUP: Final = Group("Edge TPU", sort_key=89)
_OLDEST_RUNTIME: Final = 10


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeTpuOptions:
    """Whether and how segments are compiled."""

    target: Annotated[Literal["edgetpu"] | None, Parameter(name="--for", group=_GROUP)] = None
    """Check a .tflite model for the Edge TPU, cut it so that weights fit there, and compile it."""
    compiled: Annotated[Path | None, Parameter(group=_GROUP)] = None
    """A folder of segments that edgetpu_compiler made on another machine, as this command said."""
    min_runtime: Annotated[int | None, Parameter(group=_GROUP)] = None
    """The oldest Edge TPU runtime that shall run it; else the newest."""

    @property
    def edgetpu(self) -> EdgeTpu | None:
        """What they ask for; None: no Edge TPU.

        Raises:
            BadRequestError: They do not fit together.
        """
        if self.target is None:
            for option, value in (
                ("--compiled", self.compiled),
                ("--min-runtime", self.min_runtime),
            ):
                if value is not None:
                    raise BadRequestError(option, "is for --for edgetpu alone")
            return None
        newest = published().newest_runtime
        if self.min_runtime is not None and not _OLDEST_RUNTIME <= self.min_runtime <= newest:
            problem = f"is no version of the Edge TPU runtime ({_OLDEST_RUNTIME} to {newest})"
            raise BadRequestError(f"--min-runtime {self.min_runtime}", problem)
        if self.compiled is not None and not self.compiled.is_dir():
            raise BadRequestError(f"--compiled {self.compiled}", "is no folder")
        return EdgeTpu(compiled=self.compiled, runtime=self.min_runtime)
