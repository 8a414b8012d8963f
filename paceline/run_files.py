"""The files of ``paceline run``: a picture or tensors in; a picture, JSON or tensors out."""

import io
import os
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from paceline.output import json_line
from paceline.pictures import drawing, postprocess, preprocess
from paceline.pictures.labels import Label
from paceline.pictures.postprocess import Found
from paceline.pictures.preprocess import Prepared
from paceline.pictures.text_boxes import TextBox
from paceline.run_errors import RunInputError, RunOutputError
from wire import codecs, tensors
from wire.buffers import Buffer
from wire.errors import TensorSpecError
from wire.messages import Route

Arrays = Mapping[str, NDArray[Any]]

TENSORS: Final = ".npz"
WORDS: Final = ".json"


@dataclass(frozen=True, slots=True)
class Feed:
    """What one frame carries, and the picture it was made of."""

    arrays: Arrays
    picture: Prepared | None = None


def read(path: Path, route: Route) -> Feed:
    """Return the input in ``path``: an ``.npz``, or a picture if the pipeline takes pictures.

    Raises:
        RunInputError: It cannot be read, or is not what the pipeline takes.
        PictureError: It is no picture.
    """
    feed = _tensors(path) if path.suffix.lower() == TENSORS else _picture(path, route)
    try:
        tensors.check(f"pipeline {route.pipeline}", route.receives, codecs.describe(feed.arrays))
    except TensorSpecError as error:
        wanted = ", ".join(
            f"{spec.name} {tensors.describe(spec.dtype, spec.shape)}" for spec in route.receives
        )
        raise RunInputError(path, error.problem, f"the pipeline takes {wanted}") from error
    return feed


def check_output(path: Path, route: Route, feed: Feed) -> None:
    """Check, before anything runs, that an answer can be written to ``path``.

    Raises:
        RunOutputError: It cannot.
    """
    if path.suffix not in {TENSORS, WORDS, *drawing.FORMATS}:
        known = ", ".join([TENSORS, WORDS, *drawing.FORMATS])
        raise RunOutputError(path, "its suffix is not known", f"name a file that ends in {known}")
    if not path.absolute().parent.is_dir():
        raise RunOutputError(path, "its folder does not exist", "make it first")
    if path.suffix != TENSORS and (route.postprocess is None or feed.picture is None):
        problem = (
            "the pipeline's manifest does not say how to read its outputs"
            if route.postprocess is None
            else "only a picture can be drawn on"
        )
        raise RunOutputError(path, problem, "name an .npz file for the tensors themselves")


def found(outputs: Arrays, route: Route, feed: Feed) -> Found | None:
    """Return what the outputs say; None where nobody says how to read them.

    Raises:
        AnswerError: The outputs are not what the manifest says.
    """
    if route.postprocess is None or feed.picture is None:
        return None
    return postprocess.read(outputs, route.postprocess, feed.picture.geometry)


def write(path: Path, outputs: Arrays, said: Found | None, feed: Feed) -> None:
    """Write an answer, whole or not at all; `check_output` allowed it.

    Raises:
        RunOutputError: It cannot be written.
        PictureNotWrittenError: The picture cannot.
    """
    if path.suffix in drawing.FORMATS and feed.picture is not None:
        drawing.save(_drawn(said or (), feed.picture), path)
    elif path.suffix == WORDS:
        write_whole(path, json_line(said).encode() + b"\n")
    else:
        archive = io.BytesIO()
        _write_tensors(archive, outputs)
        write_whole(path, archive.getbuffer())


def write_whole(path: Path, content: Buffer) -> None:
    """Write a file, whole or not at all.

    Raises:
        RunOutputError: It cannot be written.
    """
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.absolute().parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            Path(name).chmod(0o644)
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        problem = f"cannot be written ({error.strerror})"
        raise RunOutputError(path, problem, "name another file") from error


def _tensors(path: Path) -> Feed:
    try:
        # opened here: numpy leaves a file open that turns out to be no archive
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return Feed({name: archive[name] for name in archive.files})
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        # numpy takes what it cannot read for a pickle, and advises to trust it
        why = "" if "pickle" in str(error) else f" ({error})"
        problem = f"is no .npz file of plain arrays{why}"
        raise RunInputError(path, problem, "write it with numpy.savez") from error


def _picture(path: Path, route: Route) -> Feed:
    how = route.preprocess
    if how is None:
        problem = f"pipeline {route.pipeline} takes tensors, no pictures"
        advice = "give an .npz file, or split again with --preprocess"
        raise RunInputError(path, problem, advice)
    prepared = preprocess.prepare(path, how)
    return Feed({how.input: prepared.array}, prepared)


def _write_tensors(file: IO[bytes], outputs: Arrays) -> None:
    """Write an ``.npz``; unlike `numpy.savez`, with tensors of any name."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in outputs.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)


def _drawn(said: Found, picture: Prepared) -> Any:
    boxes = [item for item in said if isinstance(item, TextBox)]
    labels = [item for item in said if isinstance(item, Label)]
    if labels:
        return drawing.draw_labels(picture.picture, labels)
    return drawing.draw_text_boxes(picture.picture, boxes)
