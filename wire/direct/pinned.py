"""TLS 1.3 between two that know each other's certificate: no authority, no names, no dates.

Each side shows a certificate that it signed itself, and takes exactly those it was told of by its
signed assignment. That a certificate *validates* is not enough: it must be the very one.
``own_file`` is a PEM file with our own certificate and its key (`wire.direct.certificate`).
"""

import base64
import binascii
import ssl
from collections.abc import Collection
from pathlib import Path
from typing import Final

from wire.direct.errors import HandshakeError

MAX_CERTIFICATE_CHARACTERS: Final = 8192


def der(certificate: str) -> bytes | None:
    """Return a certificate's DER from its base64, as assignments carry it; None: it is none."""
    if not 0 < len(certificate) <= MAX_CERTIFICATE_CHARACTERS:
        return None
    try:
        return base64.b64decode(certificate, validate=True)
    except (binascii.Error, ValueError):
        return None


def receiving(own_file: Path, senders: Collection[bytes]) -> ssl.SSLContext:
    """Return the context of the side that is connected to by the owners of these certificates.

    Raises:
        HandshakeError: One of the certificates, or our own, cannot be used.
    """
    context = _context(ssl.PROTOCOL_TLS_SERVER, own_file, senders)
    context.num_tickets = 0  # nothing is ever resumed
    return context


def sending(own_file: Path, receiver: bytes) -> ssl.SSLContext:
    """Return the context of the side that connects to the owner of a certificate.

    Raises:
        HandshakeError: The certificate, or our own, cannot be used.
    """
    return _context(ssl.PROTOCOL_TLS_CLIENT, own_file, [receiver])


def shown(sock: ssl.SSLSocket) -> bytes:
    """Return the certificate (DER) that the other side showed, and has the key of."""
    return sock.getpeercert(binary_form=True) or b""


def _context(protocol: int, own_file: Path, trusted: Collection[bytes]) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        # an empty password: without one, the library would ask on the terminal
        context.load_cert_chain(own_file, password="")
        context.load_verify_locations(cadata=b"".join(trusted))
    except (OSError, ValueError) as error:
        raise HandshakeError(f"a certificate cannot be used ({error})") from error
    return context
