"""Options of ``paceline run``: one input, or a source of many frames."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Final, Literal

from cyclopts import Group, Parameter

from paceline import sinks
from paceline.run_errors import BadRunOptionError

_ONE: Final = Group("One input", sort_key=1)
_MANY: Final = Group("Many frames", sort_key=2)


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class OneOptions:
    """One picture or one set of tensors."""

    input: Annotated[Path | None, Parameter(group=_ONE)] = None
    """A picture, or an .npz with one array for each input."""
    output: Annotated[Path | None, Parameter(group=_ONE)] = None
    """Where the first result goes: .npz (tensors), .json, or a picture with the answer; else
    there is only the summary."""


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class ManyOptions:
    """A source of many frames, and where their answers go."""

    source: Annotated[str | None, Parameter(group=_MANY)] = None
    """A folder of pictures or .npz files, a video, /dev/video0, or rtsp://USER@CAMERA/..."""
    sink: Annotated[str | None, Parameter(group=_MANY, allow_leading_hyphen=True)] = None
    """Where each answer goes: a new folder, mqtt:TOPIC, or - (lines of JSON; the default)."""
    format: Annotated[
        Literal["json", "npz", "jpg", "png", "webp"] | None, Parameter(group=_MANY)
    ] = None
    """What is in a sink's folder; json, or tensors, or pictures with what was found."""
    policy: Annotated[Literal["block", "drop_oldest"] | None, Parameter(group=_MANY)] = None
    """When frames come too fast: block (every one goes through; folders and videos) or
    drop_oldest (the newest one does; cameras)."""
    follow: Annotated[bool | None, Parameter(group=_MANY, negative=())] = None
    """Go on at the end: with files that come into the folder, or the video from the start."""
    qos: Annotated[Literal[0, 1] | None, Parameter(group=_MANY)] = None
    """Of messages to a topic; 0, or 1."""
    source_password_file: Annotated[Path | None, Parameter(group=_MANY)] = None
    """A file that holds the camera's password."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """What both kinds of run are told."""

    count: int | None
    rate: float | None
    window: int | None
    deadline: float
    codec: str | None
    link: str | None


def check_options(one: OneOptions, many: ManyOptions) -> None:
    """Check that one kind of run is asked for, and wholly.

    Raises:
        BadRunOptionError: It is not.
    """
    given = [f.name for f in fields(many) if getattr(many, f.name) is not None]
    if (one.input is None) == (many.source is None):
        raise BadRunOptionError("say either --input FILE or --source SOURCE")
    if one.input is not None and given:
        raise BadRunOptionError(f"--{given[0].replace('_', '-')} goes with --source alone")
    if one.input is None and one.output is not None:
        raise BadRunOptionError("--output goes with --input; with --source, say --sink")
    kind, _ = sinks.named(many.sink or "-")
    for option, value, belongs in (("format", many.format, "folder"), ("qos", many.qos, "mqtt")):
        if value is not None and kind != belongs:
            where = "a folder" if belongs == "folder" else "mqtt:TOPIC"
            raise BadRunOptionError(f"--{option} goes with --sink to {where}")
