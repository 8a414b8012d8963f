"""Open a model's files without being led elsewhere, and scan them.

The one place in ``wire`` beside the links that touches files: the splitter and the devices must
open models by the same rules, and neither may import the other.
"""

import mmap
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wire.buffers import Buffer
from wire.model.errors import ExternalDataError, ModelError
from wire.model.external_data import WEIGHTS_FILE, Policy, check_file
from wire.model.scan import Scanned, scan

_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
"""A pipe in a file's place must not make us wait."""


def scan_segment(model: Path) -> Scanned:
    """Scan a segment's model and check that its weights are beside it.

    Raises:
        ModelError: A file is missing, linked or no ordinary file, or the scan refuses it.
    """
    with _opened(model.parent, WEIGHTS_FILE, model.name) as weights:
        info = os.fstat(weights)
        check_file(model.name, WEIGHTS_FILE, info, needed_bytes=0)
    with _opened(model.parent, model.name, model.name) as file:
        check_file(model.name, model.name, os.fstat(file), needed_bytes=0)
        data = mapped(file)
    return scan(data, source=model.name, policy=Policy.SEGMENT, weights_bytes=info.st_size)


def scan_source(model: Path) -> Scanned:
    """Scan a model from outside and check the files that it refers to.

    The user names the model's file, so that one may be a link; what it refers to may not.

    Raises:
        ModelError: A file is missing or no ordinary file, or the scan refuses it.
    """
    return scanned_source(model, map_model(model))


def scanned_source(model: Path, data: Buffer) -> Scanned:
    """Return the same for a model whose bytes are at hand; see `scan_source`."""
    found = scan(data, source=model.name, policy=Policy.SOURCE)
    for location, needed_bytes in found.needed_bytes.items():
        with opened_beside(model, location) as file:
            check_file(model.name, location, os.fstat(file), needed_bytes=needed_bytes)
    return found


def map_model(model: Path) -> Buffer:
    """Return the bytes of a model's file, mapped; the map ends with the last view of it.

    Raises:
        ModelError: There is no such file, or it is not an ordinary one.
    """
    with opened_model(model) as file:
        return mapped(file)


@contextmanager
def opened_model(model: Path) -> Iterator[int]:
    """Give a descriptor of a model's file, which may be a link: the user named it.

    Raises:
        ModelError: There is no such file, or it is not an ordinary one.
    """
    try:
        file = os.open(model, _READ)
    except OSError as error:
        raise ModelError(model.name, "", f"cannot be opened ({error.strerror})") from error
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise ModelError(model.name, "", "is not an ordinary file")
        yield file
    finally:
        os.close(file)


@contextmanager
def opened_beside(model: Path, location: str) -> Iterator[int]:
    """Give a descriptor of the file at ``location`` in the model's folder, following no link.

    Raises:
        ExternalDataError: It cannot be opened that way.
    """
    with _opened(model.parent, location, model.name) as file:
        yield file


@contextmanager
def _opened(folder: Path, location: str, source: str) -> Iterator[int]:
    *folders, name = location.split("/")
    held: list[int] = []
    try:
        try:
            held.append(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
            for part in folders:
                flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
                held.append(os.open(part, flags, dir_fd=held[-1]))
            held.append(os.open(name, _READ | os.O_NOFOLLOW, dir_fd=held[-1]))
        except OSError as error:
            raise ExternalDataError(
                source, f"file {location!r:.200}", f"cannot be opened ({error.strerror})"
            ) from error
        yield held[-1]
    finally:
        for descriptor in held:
            os.close(descriptor)


def mapped(file: int) -> Buffer:
    """Return the bytes of an open file; the map ends with the last view of it."""
    size = os.fstat(file).st_size
    return mmap.mmap(file, size, access=mmap.ACCESS_READ) if size else b""
