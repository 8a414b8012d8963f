"""A folder of pictures and tensors: by name, and those that come later."""

import threading

import pytest

from paceline.source_errors import SourceError
from paceline.sources import SourceOptions, open_source


def names(folder, **options):
    """Return what the source gives."""
    return [shot.name for shot in open_source(str(folder), SourceOptions(**options)).shots()]


def test_files_come_in_the_order_of_their_names(tmp_path):
    """Pictures and tensors alike; what is neither, hidden or a folder is left."""
    for name in ("b.PNG", "a.npz", "c.jpeg", "notes.txt", ".d.png", "frame"):
        (tmp_path / name).touch()

    assert names(tmp_path) == ["a.npz", "b.PNG", "c.jpeg"]


def test_a_folder_without_any_is_refused(tmp_path):
    """At once; with ``follow`` it may fill."""
    (tmp_path / "notes.txt").touch()

    with pytest.raises(SourceError, match=r"no picture and no \.npz file"):
        open_source(str(tmp_path), SourceOptions())
    open_source(str(tmp_path), SourceOptions(follow=True))


def test_a_folder_that_fills_is_followed(tmp_path):
    """Each file once, in order, until nobody wants more."""
    (tmp_path / "1.png").touch()
    options = SourceOptions(follow=True)
    seen = []
    for shot in open_source(str(tmp_path), options).shots():
        seen.append(shot.name)
        if shot.name == "1.png":
            threading.Timer(0.01, (tmp_path / "2.png").touch).start()
        elif shot.name == "2.png":
            (tmp_path / "1a.png").touch()  # before the last one's name: too late
            (tmp_path / "3.png").touch()
        else:
            options.stop.set()

    assert seen == ["1.png", "2.png", "3.png"]


def test_a_folder_that_is_gone_meanwhile(tmp_path):
    """It ends with a sentence."""
    folder = tmp_path / "in"
    folder.mkdir()
    shots = open_source(str(folder), SourceOptions(follow=True)).shots()
    folder.rmdir()

    with pytest.raises(SourceError, match="cannot be read"):
        next(shots)
