"""A folder with one file for each frame, named by its number."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, Self

from paceline import run_files
from paceline.output import json_line
from paceline.pictures import drawing
from paceline.pictures.errors import PictureNotWrittenError
from paceline.run_errors import RunOutputError
from paceline.sink_errors import FULL, SinkError, SinkFullError
from paceline.sinks import Entry, SinkOptions

FORMATS: Final = ("json", "npz", "jpg", "png", "webp")
FILES: Final = frozenset(
    {".json", ".jsonl", ".npz", ".avi", ".mkv", ".mov", ".mp4", ".webm", *drawing.FORMATS}
)
"""Endings of what somebody wants who names a file."""
_ADVICE: Final = "choose --format json or npz, or split again with --postprocess"


@dataclass(frozen=True, slots=True)
class FolderSink:
    """Files such as ``00000017.json``, each written whole or not at all.

    A frame without a result has a ``.json`` in any case, with the error.
    """

    folder: Path
    suffix: str
    unsent: ClassVar[int] = 0

    @classmethod
    def open(cls, where: str, options: SinkOptions) -> Self:
        """Return the sink, in a folder that is made or empty; see ``Sink``."""
        folder = Path(where)
        if options.format not in FORMATS:
            known = ", ".join(FORMATS)
            raise SinkError(where, f"--format {options.format} is unknown", f"choose of {known}")
        if folder.suffix.lower() in FILES and not folder.is_dir():
            problem = f"answers go into a folder, a file for each frame, and no {folder.suffix}"
            raise SinkError(where, problem, "name a folder, and --format for what is in it")
        if f".{options.format}" in drawing.FORMATS and not options.draws:
            problem = f"nothing can be drawn as {options.format}: the pipeline does not take"
            problem += " pictures, or does not say how to read its outputs"
            raise SinkError(where, problem, _ADVICE)
        try:
            folder.mkdir(exist_ok=True)
            taken = any(folder.iterdir())
        except OSError as error:
            problem = f"cannot be made or read ({error.strerror})"
            raise SinkError(where, problem, "name a folder whose parent exists") from error
        if taken:
            problem = "is not empty, and nothing shall be overwritten"
            raise SinkError(where, problem, "name a new folder, or empty it")
        return cls(folder, f".{options.format}")

    def write(self, entry: Entry) -> None:
        """Write one file; see ``Sink``."""
        record = entry.record
        suffix = run_files.WORDS if record.error is not None else self.suffix
        path = self.folder / f"{record.frame:08d}{suffix}"
        try:
            if suffix == run_files.WORDS:
                run_files.write_whole(path, json_line(record).encode() + b"\n")
            else:
                self._write_result(path, entry)
        except (RunOutputError, PictureNotWrittenError) as error:
            raise self._full(error) or error from error

    def close(self) -> None:
        """Do nothing: every file is whole."""

    def _write_result(self, path: Path, entry: Entry) -> None:
        assert entry.feed is not None
        if path.suffix in drawing.FORMATS and (entry.feed.picture is None or entry.found is None):
            problem = "there is nothing to draw, or no picture to draw it on"
            raise SinkError(str(self.folder), problem, _ADVICE)
        run_files.write(path, entry.tensors, entry.found, entry.feed)

    def _full(self, error: Exception) -> SinkFullError | None:
        cause = error.__cause__
        if not isinstance(cause, OSError) or cause.errno not in FULL:
            return None
        problem = f"the disk is full ({cause.strerror})"
        return SinkFullError(str(self.folder), problem, "make room, or name a folder elsewhere")


PLUGIN = FolderSink
