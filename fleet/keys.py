"""The key that signs what devices are ordered: one file, readable by its owner alone."""

import os
import secrets
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from fleet.control.deploy_errors import KeyFileError
from wire import signing
from wire.errors import SignatureError

MAX_KEY_BYTES: Final = 16 << 10
_OTHERS: Final = 0o077


def default_path(environ: Mapping[str, str]) -> Path:
    """Return where the user's key is: ``$XDG_CONFIG_HOME/paceline/signing.key``."""
    home = environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME") or Path.home()) / ".config"
    return Path(home) / "paceline" / "signing.key"


def load_or_make(path: Path) -> Ed25519PrivateKey:
    """Return the key at ``path``; makes it, with mode 0600, when there is no such file.

    Raises:
        KeyFileError: It cannot be read or made, or others can read it.
        SignatureError: The file holds no Ed25519 private key.
    """
    if not os.path.lexists(path):
        _make(path)
    return load(path)


def load(path: Path) -> Ed25519PrivateKey:
    """Return the key at ``path``.

    Raises:
        KeyFileError: It cannot be read, or others can read it.
        SignatureError: The file holds no Ed25519 private key.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            _check_ours(path, os.fstat(descriptor))
            pem = os.read(descriptor, MAX_KEY_BYTES)
        finally:
            os.close(descriptor)
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
        raise KeyFileError(path, problem, "name another with --key") from error
    return signing.private_key(pem, str(path))


def trusted(paths: Iterable[Path]) -> tuple[Ed25519PublicKey, ...]:
    """Return the public keys in these PEM files.

    Raises:
        SignatureError: A file cannot be read or holds no public key.
    """
    found = []
    for path in paths:
        try:
            pem = path.read_bytes()
        except OSError as error:
            raise SignatureError(str(path), f"cannot be read ({error.strerror})") from error
        found.append(signing.public_key(pem, str(path)))
    return tuple(found)


def _check_ours(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise KeyFileError(path, "is no regular file", "name another with --key")
    if found.st_uid not in {0, os.geteuid()}:
        raise KeyFileError(path, f"belongs to user {found.st_uid}", "name another with --key")
    if found.st_mode & _OTHERS:
        mode = stat.S_IMODE(found.st_mode)
        raise KeyFileError(
            path,
            f"others can use it (mode {mode:04o}, expected 0600)",
            f"run `chmod 600 {path}`, and make a new key if others may have read it",
        )


def _make(path: Path) -> None:
    """Write a new key; one that somebody else made meanwhile stays."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(signing.new_private_key())
                file.flush()
                os.fsync(descriptor)
            os.link(draft, path)  # unlike a rename, never takes the place of a key
        except FileExistsError:
            return
        finally:
            draft.unlink()
    except OSError as error:
        problem = f"cannot be made ({error.strerror})"
        raise KeyFileError(path, problem, "name another place with --key") from error
