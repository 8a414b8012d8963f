"""The signing key on disk."""

import os
import stat
import threading

import pytest

from fleet import keys
from fleet.control.deploy_errors import KeyFileError
from wire import signing
from wire.errors import SignatureError


def test_the_first_use_makes_a_key_that_only_its_owner_can_read(tmp_path):
    """Mode 0600 in a folder of mode 0700, and nothing else is left there."""
    path = tmp_path / "paceline" / "signing.key"
    before = os.umask(0)
    try:
        keys.load_or_make(path)
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_the_second_use_finds_the_same_key(tmp_path):
    """Devices trust one key, not the newest."""
    path = tmp_path / "signing.key"
    first, second = (signing.public_pem(keys.load_or_make(path)) for _ in range(2))

    assert first == second


def test_two_at_a_time_agree_on_one_key(tmp_path):
    """Whoever comes second takes the key of the first; a key is never replaced."""
    path = tmp_path / "signing.key"
    ready = threading.Barrier(4)
    found = []

    def use():
        ready.wait()
        found.append(signing.public_pem(keys.load_or_make(path)))

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 4
    assert len(set(found)) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o777])
def test_a_key_that_others_can_use_is_refused(tmp_path, mode):
    """The message says how to repair it, and that the key may be known."""
    path = tmp_path / "signing.key"
    keys.load_or_make(path)
    path.chmod(mode)

    with pytest.raises(KeyFileError, match="chmod 600"):
        keys.load_or_make(path)


def test_a_folder_or_a_missing_file_is_no_key(tmp_path):
    """Neither hangs nor guesses."""
    with pytest.raises(KeyFileError, match="no regular file"):
        keys.load(tmp_path)
    with pytest.raises(KeyFileError, match="cannot be read"):
        keys.load(tmp_path / "none")


def test_a_named_pipe_does_not_make_us_wait(tmp_path):
    """Opening one would wait for somebody to write."""
    path = tmp_path / "signing.key"
    os.mkfifo(path, 0o600)

    with pytest.raises(KeyFileError, match="no regular file"):
        keys.load(path)


def test_a_dangling_link_is_not_replaced_by_a_new_key(tmp_path):
    """The key that it pointed to may be on a stick that is not plugged in."""
    path = tmp_path / "signing.key"
    path.symlink_to(tmp_path / "stick" / "signing.key")

    with pytest.raises(KeyFileError, match="cannot be read"):
        keys.load_or_make(path)


def test_other_contents_are_refused(tmp_path):
    """A public key, or anything else, signs nothing."""
    path = tmp_path / "signing.key"
    path.write_text("-----BEGIN NOTHING-----")
    path.chmod(0o600)

    with pytest.raises(SignatureError, match="no private key"):
        keys.load(path)


def test_a_place_that_cannot_be_written_is_said(tmp_path):
    """A file stands where the folder should be."""
    (tmp_path / "paceline").write_text("")

    with pytest.raises(KeyFileError, match="cannot be made"):
        keys.load_or_make(tmp_path / "paceline" / "signing.key")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"HOME": "/home/u"}, "/home/u/.config/paceline/signing.key"),
        ({"HOME": "/home/u", "XDG_CONFIG_HOME": "/c"}, "/c/paceline/signing.key"),
        ({"HOME": "/home/u", "XDG_CONFIG_HOME": ""}, "/home/u/.config/paceline/signing.key"),
    ],
)
def test_the_key_is_where_the_desktop_keeps_configuration(environ, expected):
    """XDG_CONFIG_HOME counts where it is set and not empty."""
    assert str(keys.default_path(environ)) == expected


def test_trusted_keys_are_public_keys(tmp_path):
    """What `key show` prints can be given to --trust."""
    private = keys.load_or_make(tmp_path / "signing.key")
    public = tmp_path / "deployer.pub"
    public.write_bytes(signing.public_pem(private))
    (found,) = keys.trusted([public])

    assert signing.fingerprint(found) == signing.fingerprint(private.public_key())
    with pytest.raises(SignatureError, match="cannot be read"):
        keys.trusted([tmp_path / "none"])
