"""The hub's token: made, or read from a file that only its owner can read."""

import os
import secrets
import stat
from pathlib import Path
from typing import ClassVar, Final

from wire import bounded
from wire.errors import CodedError

SHORTEST: Final = 16
_OTHERS: Final = 0o077


class TokenFileError(CodedError):
    """The file of the hub's token cannot be used."""

    code = "hub.token_file"
    exit_code: ClassVar[int] = 3

    def __init__(self, path: Path, problem: str, advice: str) -> None:
        super().__init__(path, problem, advice)
        self.path = path
        self.problem = problem
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}; {self.advice}"


def made() -> str:
    """Return a new token: 32 random bytes as text that fits anywhere."""
    return secrets.token_urlsafe(32)


def load_or_make(path: Path) -> str:
    """Return the token in ``path``; makes it, with mode 0600, when there is no such file.

    Raises:
        TokenFileError: It cannot be read or made, others can read it, or it holds no token.
    """
    if not os.path.lexists(path):
        _make(path)
    return load(path)


def load(path: Path) -> str:
    """Return the token in ``path``.

    Raises:
        TokenFileError: It cannot be read, others can read it, or it holds no token.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        data = bounded.read(path, bounded.MAX_SECRET_BYTES)
    except OSError as error:
        problem = f"cannot be read ({error.strerror or error})"
        raise TokenFileError(path, problem, "name another with --token-file") from error
    if mode & _OTHERS:
        problem = f"others can use it (mode {mode:04o}, expected 0600)"
        raise TokenFileError(path, problem, f"run `chmod 600 {path}`")
    token = data.decode("ascii", "replace").strip()
    if len(token) < SHORTEST or not all("!" <= letter <= "~" for letter in token):
        problem = f"holds no token (expected one line of at least {SHORTEST} visible characters)"
        raise TokenFileError(path, problem, "remove it, and the hub makes one")
    return token


def _make(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{made()}\n")
    except OSError as error:
        problem = f"cannot be made ({error.strerror})"
        raise TokenFileError(path, problem, "name another with --token-file") from error
