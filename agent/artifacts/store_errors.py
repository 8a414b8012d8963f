"""What can go wrong with the device's disk and with the segments that are kept there."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Final

from wire.errors import CodedError


class BadFilesError(CodedError):
    """The list of a segment's files is not one that a store can keep."""

    code = "segment.bad_files"
    exit_code: ClassVar[int] = 3

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"segment's files: {self.problem}; assignment refused"


class SegmentCorruptError(CodedError):
    """A kept segment is not, or no longer, what its digest says."""

    code = "store.corrupt"
    retryable = True

    def __init__(self, segment: str, name: str, problem: str) -> None:
        super().__init__(segment, name, problem)
        self.segment = segment
        self.name = name
        self.problem = problem

    def __str__(self) -> str:
        return f"segment {self.segment[:12]}: {self.name}: {self.problem}; fetch it again"


class StoreError(CodedError):
    """The disk did not do what the store asked."""

    code = "store.io"
    retryable = True
    todo: ClassVar[str] = "check the disk"

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(path, problem)
        self.path = path
        self.problem = problem

    def __str__(self) -> str:
        return f"store {self.path}: {self.problem}; {self.todo}"


class StoreFullError(StoreError):
    """No room for a segment, on the disk or within the quota."""

    code = "store.full"
    todo = "undeploy something, free disk space, or raise limits.store_bytes"


class StoreReadOnlyError(StoreError):
    """The state folder cannot be written."""

    code = "store.read_only"
    todo = "mount it writable, or name another state_folder"


_BY_ERRNO: Final[dict[int | None, type[StoreError]]] = {
    errno.ENOSPC: StoreFullError,
    errno.EDQUOT: StoreFullError,
    errno.EFBIG: StoreFullError,
    errno.EROFS: StoreReadOnlyError,
    errno.EACCES: StoreReadOnlyError,
    errno.EPERM: StoreReadOnlyError,
}


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn an `OSError` of the disk into the `StoreError` that names it.

    Raises:
        StoreError: In place of the `OSError`; everything not listed is ``store.io``.
    """
    try:
        yield
    except OSError as error:
        kind = _BY_ERRNO.get(error.errno, StoreError)
        raise kind(path, error.strerror or str(error)) from error
