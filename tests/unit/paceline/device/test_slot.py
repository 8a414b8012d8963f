"""A slot that is there counts when it is whole."""

import base64
import hashlib
import os
import shutil
import sys
from pathlib import Path

import pytest

from paceline.device import kinds, looking, places, slot
from paceline.device.closure import Closure, Installed
from paceline.device.slot import Slot

AGENT = b"""import sys
if sys.argv[1] == "probe":
    print('{"runtimes": [], "errors": {}}')
"""


@pytest.fixture
def made(tmp_path):
    """A slot of a little agent, in its place below a root."""
    files = []
    for name, data in {"agent/__main__.py": AGENT, "agent/deep/data.bin": b"12345"}.items():
        source = tmp_path / "source" / name
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_bytes(data)
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        files.append(Installed(source, name, digest))
    made = Slot("1.0-abc", Closure({"paceline": "1.0"}, tuple(files)), slot.base_python())
    root = tmp_path / "root"
    places.below(root, places.SLOTS).mkdir(parents=True)
    slot.make(made, root, (os.getuid(), os.getgid()))
    return made, root


def packages(folder):
    """Return a slot's folder of packages."""
    (found,) = folder.glob("lib/*/site-packages")
    return found


def fifo(path):
    """Put a pipe into a file's place: whoever reads it waits for ever."""
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "harm",
    [
        lambda folder: (shutil.rmtree(folder), folder.mkdir()),
        lambda folder: (shutil.rmtree(folder), folder.touch()),
        lambda folder: (folder.rename(folder.parent / "x"), folder.symlink_to("x")),
        lambda folder: (packages(folder) / "agent/deep/data.bin").write_bytes(b"1234"),
        lambda folder: (packages(folder) / "agent/__main__.py").unlink(),
        lambda folder: fifo(packages(folder) / "agent/deep/data.bin"),
        lambda folder: (folder / "bin/python").unlink(),
        lambda folder: (folder / "pyvenv.cfg").write_bytes(b"\xff"),
    ],
    ids=["empty", "a file", "a link", "cut off", "lost", "a pipe", "no python", "settings"],
)
def test_a_slot_that_is_not_whole_does_not_count_and_is_made_anew(made, harm):
    """Such as one that a full disk or a failing card left behind."""
    made, root = made
    folder = places.below(root, places.SLOTS) / made.name
    assert looking.there(root, kinds.named("x86"), made).slots == (made.name,)
    harm(folder)

    assert made.name not in looking.there(root, kinds.named("x86"), made).slots
    slot.make(made, root, (os.getuid(), os.getgid()))
    assert made.name in looking.there(root, kinds.named("x86"), made).slots
    assert not folder.is_symlink()
    assert [e.name for e in places.below(root, places.STATE).parent.iterdir()] == ["paceline"]


def test_another_python_makes_it_another_slot(made):
    """The program that it was tried with is the one that runs it."""
    made, root = made
    other = Slot(made.name, made.closure, Path(f"{sys.executable}-other"))

    assert slot.is_whole(made, root)
    assert not slot.is_whole(other, root)
