"""Credentials are read from files, and what is wrong with a file is said of that file."""

import datetime
import os
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from wire.access import Access
from wire.errors import AccessFileError


@pytest.fixture(scope="module")
def key():
    """A private key."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key, passphrase=None):
    """Return the key as a PEM file's bytes."""
    hidden = serialization.NoEncryption()
    if passphrase is not None:
        hidden = serialization.BestAvailableEncryption(passphrase)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden)


@pytest.fixture
def certificate(key, tmp_path):
    """The file of a certificate that signs itself."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    begins = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begins)
        .not_valid_after(begins + datetime.timedelta(days=36500))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return path


def test_a_password_is_its_files_text_without_the_line_end(tmp_path):
    """As `mosquitto_passwd` users and editors write it; without a file there is none."""
    path = tmp_path / "password"
    path.write_bytes("gehé im\n".encode())

    assert Access(password_file=path).password() == "gehé im"
    assert Access().password() is None


@pytest.mark.parametrize("made", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, made):
    """Nothing waits for who might write to a pipe, and no endless device fills the memory."""
    made(tmp_path / "named")

    for open_it in (
        Access(password_file=tmp_path / "named").password,
        Access(ca_file=tmp_path / "named").tls_context,
    ):
        with pytest.raises(AccessFileError, match="it is no regular file"):
            open_it()


def test_a_password_may_come_through_a_pipe_where_that_is_said():
    """As a process substitution of a shell is one; it is waited for, and bounded."""
    reading, writing = os.pipe()
    with os.fdopen(reading), os.fdopen(writing, "wb") as pipe:
        access = Access(password_file=Path(f"/dev/fd/{reading}"), password_may_wait=True)
        later = threading.Timer(0.05, lambda: (pipe.write(b"secret\n"), pipe.close()))
        later.start()

        assert access.password() == "secret"
        later.join()

    with pytest.raises(AccessFileError, match="larger than 65536 bytes"):
        Access(password_file=Path("/dev/zero"), password_may_wait=True).password()


def test_a_password_is_read_anew_each_time(tmp_path):
    """Whoever changes it need not restart anything."""
    path = tmp_path / "password"
    access = Access(password_file=path)
    path.write_text("old")
    before = access.password()
    path.write_text("new")

    assert (before, access.password()) == ("old", "new")


@pytest.mark.parametrize(
    ("content", "problem"), [(None, "No such file"), (b"\xff\xfe", "no UTF-8"), ("folder", "Is a")]
)
def test_a_password_file_that_cannot_be_used_is_named(tmp_path, content, problem):
    """Missing, no text, or no file: each is one sentence with the path."""
    path = tmp_path / "password"
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)

    with pytest.raises(AccessFileError, match=problem) as caught:
        Access(password_file=path).password()
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("content", "problem"), [(None, "No such file"), (b"x", "nothing usable in PEM form")]
)
def test_certificates_that_cannot_be_used_are_named(tmp_path, content, problem):
    """The same for those that may sign the broker's."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(AccessFileError, match=problem) as caught:
        Access(ca_file=path).tls_context()
    assert caught.value.path == path


def test_a_certificate_and_its_key_are_loaded(tmp_path, key, certificate):
    """Beside the system's certificates, or those of one file."""
    path = tmp_path / "key.pem"
    path.write_bytes(key_pem(key))

    assert Access(certificate_file=certificate, key_file=path).tls_context() is not None
    assert len(Access(ca_file=certificate).tls_context().get_ca_certs()) == 1


def test_a_missing_key_is_named_and_not_its_certificate(tmp_path, certificate):
    """The library itself would not say which of the two it was."""
    with pytest.raises(AccessFileError) as caught:
        Access(certificate_file=certificate, key_file=tmp_path / "key.pem").tls_context()
    assert caught.value.path == tmp_path / "key.pem"


def test_nobody_is_asked_for_a_passphrase(tmp_path, key, certificate):
    """A key that is encrypted is refused: a daemon has no terminal."""
    path = tmp_path / "key.pem"
    path.write_bytes(key_pem(key, b"secret"))

    with pytest.raises(AccessFileError, match="nothing usable in PEM form"):
        Access(certificate_file=certificate, key_file=path).tls_context()
