"""A device's own certificate for direct links: signed by itself, known to whom it is told.

It holds for ever: a device's clock may stand in 1970, and who is trusted is said by each
assignment, not by a date.
"""

import base64
import datetime
import ssl
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_BEGINS: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_ENDS: Final = datetime.datetime(9999, 12, 31, tzinfo=datetime.UTC)
"""RFC 5280, 4.1.2.5: what has no end."""


def new(device: str) -> bytes:
    """Return a certificate that names the device, and its key: PEM, to be kept at mode 0600."""
    from cryptography import x509  # noqa: PLC0415 4 MB, for what is done once in a device's life
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

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
    pem = made.public_bytes(serialization.Encoding.PEM)
    return pem + key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def told(pem: bytes) -> str:
    """Return the certificate as ``Info.certificate`` carries it: DER in base64.

    Raises:
        ValueError: There is none.
    """
    certificate, end, _ = pem.decode().partition(ssl.PEM_FOOTER)
    return base64.b64encode(ssl.PEM_cert_to_DER_cert(certificate + end)).decode()
