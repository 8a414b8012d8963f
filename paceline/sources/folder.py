"""A folder of pictures and ``.npz`` files, in the order of their names."""

import os
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, Self

from paceline.source_errors import SourceError
from paceline.sources import Shot, SourceOptions

SUFFIXES: Final = frozenset(
    {".npz", ".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".ppm"}
)
LOOK_SECONDS: Final = 0.2
"""How often a folder that fills is looked at."""


@dataclass(frozen=True, slots=True)
class FolderSource:
    """The files of one folder.

    With ``follow`` it goes on with files that come later, as long as their names are behind the
    last one's; whoever writes them renames them into the folder, so that none is half there.
    """

    folder: Path
    options: SourceOptions
    live: ClassVar[bool] = False
    shots_per_second: ClassVar[float | None] = None

    @classmethod
    def open(cls, where: str, options: SourceOptions) -> Self:
        """Return the source; see ``Source``."""
        opened = cls(Path(where), options)
        if not opened._behind("") and not options.follow:
            problem = f"no picture and no .npz file in it (known: {', '.join(sorted(SUFFIXES))})"
            raise SourceError(where, problem, "name another folder, or wait with --follow")
        return opened

    def shots(self) -> Generator[Shot, None, None]:
        """Yield the files; see ``Source``."""
        last = ""
        while True:
            for name in self._behind(last):
                yield Shot(name, self.folder / name)
                last = name
            if not self.options.follow or self.options.stop.wait(LOOK_SECONDS):
                return

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def _behind(self, last: str) -> list[str]:
        try:
            return sorted(
                name
                for name in os.listdir(self.folder)  # noqa: PTH208 names are all that is needed
                if name > last and name[0] != "." and Path(name).suffix.lower() in SUFFIXES
            )
        except OSError as error:
            problem = f"cannot be read ({error.strerror})"
            raise SourceError(str(self.folder), problem, "name a folder of yours") from error


PLUGIN = FolderSource
