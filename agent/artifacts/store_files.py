"""One file of the store: its name checked, opened without following links, hashed."""

import hashlib
import os
import re
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from agent.artifacts.store_errors import BadFilesError, SegmentCorruptError
from wire import golden, segment_files
from wire.manifest import File, files_digest

NAMES: Final = frozenset({golden.FILE_NAME, *segment_files.NAMES})
"""The only names that a segment's files may have."""
MAX_FILE_BYTES: Final = 1 << 40
BLOCK_BYTES: Final = 1 << 20
STAGED: Final = ".segment"
"""Ends the name of a folder in which a segment is put together."""

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


def check_files(files: Sequence[File]) -> str:
    """Return the digest of a segment's files, as they came from outside.

    Raises:
        BadFilesError: A name is not allowed or comes twice, a digest or a size is none.
    """
    names = [file.name for file in files]
    if not files or len(set(names)) != len(names):
        raise BadFilesError(f"expected distinct names (got {names!r:.200})")
    for file in files:
        if file.name not in NAMES:
            raise BadFilesError(f"{file.name!r:.80} (expected one of {', '.join(sorted(NAMES))})")
        if not is_sha256(file.sha256):
            raise BadFilesError(f"{file.name}: {file.sha256!r:.80} is no SHA-256")
        if not 0 <= file.size_bytes <= MAX_FILE_BYTES:
            raise BadFilesError(f"{file.name}: size {file.size_bytes} is not possible")
    return files_digest(files)


def is_sha256(text: str) -> bool:
    """Whether ``text`` is a SHA-256 in lower-case hex."""
    return _SHA256.fullmatch(text) is not None


def check_names(folder: Path, files: Sequence[File]) -> None:
    """Check that a folder holds exactly these names.

    Raises:
        SegmentCorruptError: It does not.
        FileNotFoundError: There is no such folder.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise SegmentCorruptError(folder.name.removesuffix(STAGED), "folder", "it is no folder")
    expected = {file.name for file in files}
    actual = {path.name for path in folder.iterdir()}
    if actual != expected:
        raise SegmentCorruptError(
            folder.name.removesuffix(STAGED),
            "folder",
            f"it holds {sorted(actual)!r:.200}, not {sorted(expected)}",
        )


def open_whole(folder: Path, file: File) -> int:
    """Return a descriptor of a file that is regular, has one link and the right size.

    Raises:
        SegmentCorruptError: It is something else.
        OSError: It is missing or cannot be opened.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        descriptor = os.open(folder / file.name, flags)
    except FileNotFoundError:
        raise
    except OSError as error:
        if (folder / file.name).is_symlink():
            raise SegmentCorruptError(
                folder.name.removesuffix(STAGED), file.name, "it is a symbolic link"
            ) from error
        raise
    problem = _problem(os.fstat(descriptor), file.size_bytes)
    if problem:
        os.close(descriptor)
        raise SegmentCorruptError(folder.name.removesuffix(STAGED), file.name, problem)
    return descriptor


def _problem(found: os.stat_result, size_bytes: int) -> str | None:
    if not stat.S_ISREG(found.st_mode):
        return "it is no regular file"
    if found.st_nlink != 1:
        return f"it has {found.st_nlink} links, not 1"
    if found.st_size != size_bytes:
        return f"it has {found.st_size} bytes, not {size_bytes}"
    return None


def hashed(descriptor: int, before_block: Callable[[], None] = lambda: None) -> str:
    """Return the SHA-256 of a file and close it; ``before_block`` may raise to give up."""
    hasher = hashlib.sha256()
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        before_block()
        while block := file.read(BLOCK_BYTES):
            hasher.update(block)
            before_block()
    return hasher.hexdigest()


def open_partial(path: Path) -> int:
    """Return a descriptor, for reading and writing, of the download at ``path``.

    It is made where it is missing, and made anew where what is there is not a file of ours.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    if os.path.lexists(path) and _problem(found := path.lstat(), found.st_size):
        path.unlink()
    return os.open(path, flags, 0o600)


def size_of(path: Path) -> int:
    """Return a regular file's size, 0 for anything else."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0
