"""A device's own certificate for direct links: signed by itself, known to whom it is told.

It holds for ever: a device's clock may stand in 1970, and who is trusted is said by each
assignment, not by a date.
"""

import base64
import datetime
import ssl
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

_BEGINS: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_ENDS: Final = datetime.datetime(9999, 12, 31, tzinfo=datetime.UTC)
"""RFC 5280, 4.1.2.5: what has no end."""


class Pair(NamedTuple):
    """A certificate and its key, both in PEM form; the key is a secret."""

    certificate: bytes
    key: bytes


def new(device: str) -> Pair:
    """Return a new key, and a certificate for it that names the device."""
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, device)])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_BEGINS)
        .not_valid_after(_ENDS)
        # it signs no other: whoever trusts it trusts one key
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, None)
    )
    return Pair(
        made.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


def told(certificate: bytes) -> str:
    """Return a PEM certificate as ``Info.certificate`` carries it: DER in base64.

    Raises:
        ValueError: It is none.
    """
    return base64.b64encode(ssl.PEM_cert_to_DER_cert(certificate.decode())).decode()
