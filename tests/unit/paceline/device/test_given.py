"""Files that the user named for `agent install`."""

import os
from pathlib import Path

import pytest

from paceline.commands.agent import Configured
from paceline.device import given
from paceline.device.errors import FileUnusableError


def test_a_password_may_come_through_a_pipe():
    """It can be read only once; an agent with an empty password would never be let in."""
    reading, writing = os.pipe()
    os.write(writing, b"sesame\n")
    os.close(writing)
    try:
        asked = Configured(password_file=Path(f"/dev/fd/{reading}")).asked()
    finally:
        os.close(reading)

    assert asked.secrets == {"broker.password": b"sesame\n"}


@pytest.mark.parametrize("option", ["password_file", "ca_file", "client_cert_file", "trust"])
@pytest.mark.parametrize(
    ("data", "words"), [(b" \n", "is empty"), (None, "cannot be read"), (0, "more than")]
)
def test_a_file_with_nothing_or_without_end_is_refused(tmp_path, option, data, words):
    """By its name, and without reading on and on."""
    path = Path("/dev/zero") if data == 0 else tmp_path / "given"
    if data:
        path.write_bytes(data)

    with pytest.raises(FileUnusableError, match=f"{path}: .*{words}"):
        Configured(**{option: path}).asked()


@pytest.mark.parametrize("option", ["ca_file", "client_cert_file", "trust"])
def test_what_is_no_certificate_or_key_is_refused_by_its_name(tmp_path, option):
    """Not by the name of the copy that was looked at."""
    path = tmp_path / "given"
    path.write_text("nonsense")

    with pytest.raises(FileUnusableError, match=f"{path}: .*PEM form"):
        Configured(**{option: path}).asked()


def test_a_password_that_is_no_text_is_refused_by_its_name(tmp_path):
    """The agent reads it as UTF-8."""
    path = tmp_path / "given"
    path.write_bytes(b"\xff\xfe")

    with pytest.raises(FileUnusableError, match=f"{path}: is no UTF-8"):
        Configured(password_file=path).asked()


def test_an_image_without_proc_needs_no_open_files(tmp_path, monkeypatch):
    """As in a chroot that is being made: the named files themselves are looked at."""
    monkeypatch.setattr(given, "OPEN_FILES", tmp_path / "no-proc")
    password, broken = tmp_path / "password", tmp_path / "ca.pem"
    password.write_text("secret")
    broken.write_text("no certificate")
    files = {"password_file": password}
    given.check_access(files, {"password_file": b"secret"})

    with pytest.raises(FileUnusableError, match=r"ca\.pem"):
        given.check_access({**files, "ca_file": broken}, {"password_file": b"x", "ca_file": b"y"})
