"""The hub's token in a file."""

import stat

import pytest

from fleet.hub import tokens
from fleet.hub.tokens import TokenFileError


def test_a_token_is_made_once_for_its_owner_alone(tmp_path):
    """And read again afterwards."""
    path = tmp_path / "deep" / "token"
    token = tokens.load_or_make(path)

    assert len(token) == 43
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert tokens.load_or_make(path) == token
    assert tokens.made() != tokens.made()


@pytest.mark.parametrize(
    "data",
    [b"", b"short", b"two words of sufficient length", b"\xff" * 40, b"a" * 20 + b"\nb" * 20],
)
def test_what_is_no_token_is_refused(tmp_path, data):
    """Empty, guessable, or not one line of visible characters; what it holds is not repeated."""
    path = tmp_path / "token"
    path.write_bytes(data)
    path.chmod(0o600)

    with pytest.raises(TokenFileError, match="holds no token"):
        tokens.load(path)


def test_a_token_that_others_can_read_is_refused(tmp_path):
    """With the line that repairs it."""
    path = tmp_path / "token"
    path.write_text(tokens.made())
    path.chmod(0o644)

    with pytest.raises(TokenFileError, match=f"chmod 600 {path}"):
        tokens.load(path)


def test_what_cannot_be_read_or_made_is_told(tmp_path):
    """A folder, a missing one, a place below a file."""
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(TokenFileError, match="cannot be read"):
            tokens.load(path)
    with pytest.raises(TokenFileError, match="cannot be made"):
        tokens.load_or_make(tmp_path / "file" / "token")
