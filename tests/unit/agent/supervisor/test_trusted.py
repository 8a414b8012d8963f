"""Trusted keys come from files; what is no key is named."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.supervisor.trusted import trusted_keys
from wire import signing
from wire.errors import SignatureError


def test_keys_are_read_in_order(tmp_path):
    """Each file holds one public key."""
    private = [Ed25519PrivateKey.generate() for _ in range(2)]
    paths = [tmp_path / f"{n}.pem" for n in range(2)]
    for key, path in zip(private, paths, strict=True):
        path.write_bytes(signing.public_pem(key))

    got = trusted_keys(paths)

    assert [k.public_bytes_raw() for k in got] == [
        k.public_key().public_bytes_raw() for k in private
    ]


def test_no_files_are_no_keys():
    """Then every assignment is refused; that is decided elsewhere."""
    assert trusted_keys([]) == ()


@pytest.mark.parametrize("content", [None, b"", b"not a key", "private"])
def test_what_is_no_public_key_is_named(tmp_path, content):
    """A missing file, an empty one, noise and a private key are refused with the file's name."""
    path = tmp_path / "trusted.pem"
    if content == "private":
        content = signing.new_private_key()
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(SignatureError, match=r"trusted\.pem"):
        trusted_keys([path])
