"""Files that the user named: each is read once, so that one may be a pipe, and never too much."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from paceline.device.errors import FileUnusableError
from wire.access import Access
from wire.errors import AccessFileError

LIMIT_BYTES: Final = 1 << 20
"""A bundle of all known authorities has a quarter of it; systemd passes no larger credential."""

OPEN_FILES: Final = Path("/proc/self/fd")


def read(path: Path) -> bytes:
    """Return what is in a file.

    Raises:
        FileUnusableError: It cannot be read, or has nothing or too much in it.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LIMIT_BYTES + 1)
    except OSError as error:
        raise FileUnusableError(f"{path}: cannot be read ({error.strerror or error})") from error
    if len(data) > LIMIT_BYTES:
        raise FileUnusableError(f"{path}: has more than {LIMIT_BYTES} bytes; name another file")
    if not data.strip():
        raise FileUnusableError(f"{path}: is empty; write into it what it should hold")
    return data


def check_access(files: Mapping[str, Path], data: Mapping[str, bytes]) -> None:
    """Check that the agent can use these, by the fields of ``Access``.

    Raises:
        FileUnusableError: One is not what it should be.
    """
    with ExitStack() as stack:
        if OPEN_FILES.exists():
            held = {name: stack.enter_context(_in_memory(data[name])) for name in files}
        else:  # in an image that is being built; there the files themselves must do
            held = {name: path for name, path in files.items() if path.is_file()}
        access = Access(
            password_file=held.get("password_file"),
            ca_file=held.get("ca_file"),
            certificate_file=held.get("certificate_file"),
            key_file=held.get("key_file"),
        )
        try:
            access.password()
            access.tls_context()
        except AccessFileError as error:
            (named,) = {files[name] for name, path in held.items() if path == error.path}
            raise FileUnusableError(str(AccessFileError(named, error.problem))) from error


@contextmanager
def _in_memory(data: bytes) -> Iterator[Path]:
    """Yield the path of a file that holds the data, and is on no disk."""
    descriptor = os.memfd_create("given")
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        yield OPEN_FILES / str(descriptor)
