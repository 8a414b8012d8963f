"""Who we are to a broker and whom we trust. Secrets come as files, read again at each connection.

So a password that is changed or a file that comes late counts without a restart. Beside the
session, the links, `wire.bounded` and `wire.model.files`, this is the only module of `wire` that
reads files.
"""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wire import bounded
from wire.errors import AccessFileError

MAX_CERTIFICATES_BYTES: Final = 8 << 20
"""Several times a system's whole collection."""


@dataclass(frozen=True, slots=True)
class Access:
    """Credentials, and certificates that may sign the other side's."""

    username: str | None = None
    password_file: Path | None = None
    password_may_wait: bool = False
    """Whether its file may be a pipe or a terminal, as of a command that a person calls."""
    ca_file: Path | None = None
    """None: those of the system."""
    certificate_file: Path | None = None
    key_file: Path | None = None

    def password(self) -> str | None:
        """Return the password, read now; None: there is none.

        Raises:
            AccessFileError: The file cannot be read, or is no text.
        """
        if self.password_file is None:
            return None
        with _translated(self.password_file):
            data = bounded.read(
                self.password_file, bounded.MAX_SECRET_BYTES, may_wait=self.password_may_wait
            )
            return data.decode().strip()

    def tls_context(self) -> ssl.SSLContext:
        """Return what TLS needs, its files read now.

        Raises:
            AccessFileError: A file cannot be read, or holds no certificate or key.
        """
        context = _trusting(self.ca_file)
        context.sslsocket_class = _ClosedWhenRefused
        if self.certificate_file is not None:
            for path in (self.certificate_file, self.key_file):
                if path is not None:  # the library does not say which one is missing
                    with _translated(path):
                        bounded.read(path, MAX_CERTIFICATES_BYTES)
            with _translated(self.certificate_file):
                # an empty password: without one, the library would ask on the terminal
                context.load_cert_chain(self.certificate_file, self.key_file, password="")
        return context


class _ClosedWhenRefused(ssl.SSLSocket):
    """Closes itself when the handshake fails: paho forgets such a socket while it is open."""

    def do_handshake(self, block: bool = False) -> None:
        """See ``ssl.SSLSocket``."""
        try:
            super().do_handshake(block)
        except ssl.SSLWantReadError:
            raise
        except OSError:
            self.close()
            raise


def _trusting(ca_file: Path | None) -> ssl.SSLContext:
    if ca_file is None:
        return ssl.create_default_context()
    with _translated(ca_file):
        bounded.read(ca_file, MAX_CERTIFICATES_BYTES)
        return ssl.create_default_context(cafile=ca_file)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except ssl.SSLError as error:
        problem = f"holds nothing usable in PEM form ({error.reason or error})"
        raise AccessFileError(path, problem) from error
    except OSError as error:
        raise AccessFileError(path, f"cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise AccessFileError(path, "is no UTF-8 text") from error
