"""Codecs are known by name before numpy is there."""

import subprocess
import sys

import pytest

from wire import codec_names
from wire.errors import UnknownPluginError


def test_every_codec_also_compresses():
    """A file in `wire/codecs/` gives two names; what begins with an underscore gives none."""
    names = codec_names.names()
    plain = [name for name in names if codec_names.plain(name) == name]

    assert set(names) == {*plain, *(f"{name}+zstd" for name in plain)}
    assert not [name for name in names if name.startswith("_")]
    assert "raw" in plain


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("int8_chanel", "did you mean 'int8_channel'"),
        ("fp16+zst", r"did you mean 'fp16\+zstd'"),
        ("raw+zstd+zstd", "no plugin"),
        ("zstd", "no plugin"),
        ("", "no plugin"),
    ],
)
def test_another_name_is_refused_with_the_nearest(name, said):
    """A slip of the keyboard is told apart from a codec that is still to be written."""
    with pytest.raises(UnknownPluginError, match=said):
        codec_names.checked(name)


def test_names_need_no_numpy():
    """The supervisor tells them, and stays small."""
    code = "import sys; from wire import codec_names; codec_names.names(); print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)

    assert "numpy" not in out.stdout.split()
