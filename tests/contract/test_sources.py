"""Every source, found by itself, says what it is and refuses what is not there, by name."""

import subprocess
import sys

import pytest

from paceline import sources
from paceline.source_errors import SourceError
from paceline.sources import SourceOptions, open_source
from wire import plugins
from wire.errors import UnknownPluginError

NOWHERE = {"rtsp": "rtsp://127.0.0.1:9/none"}
"""What is not there, where it is no path."""


@pytest.mark.parametrize("name", sources.names())
def test_a_source_says_whether_it_is_live(name):
    """The policy at the entry follows from it."""
    assert isinstance(plugins.load("paceline.sources", name).live, bool)


@pytest.mark.parametrize("name", sources.names())
def test_what_is_not_there_is_refused_at_once(name, tmp_path):
    """By a sentence that names it, before anything runs."""
    where = NOWHERE.get(name, f"{name}:{tmp_path}/none")

    with pytest.raises(SourceError, match="none") as caught:
        open_source(where, SourceOptions())

    assert caught.value.exit_code in {3, 6}


@pytest.mark.parametrize("name", ["camera", "rtsp", "video"])
def test_a_video_without_its_library_says_what_to_install(name):
    """The extra is named; nothing else needs it."""
    code = (
        "import sys; sys.modules['av'] = None\n"
        "from paceline.sources import SourceOptions, open_source\n"
        f"try: open_source({NOWHERE.get(name, name + ':/dev/null')!r}, SourceOptions())\n"
        "except Exception as error: print(error.code, error)"
    )
    child = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=60, check=False
    )

    assert child.stderr == ""
    assert child.stdout.startswith("source.video_missing ")
    assert child.stdout.endswith("pip install 'paceline[video]'\n")


@pytest.mark.parametrize(
    ("where", "name", "told"),
    [
        ("rtsp://u@cam/1", "rtsp", "rtsp://u@cam/1"),
        ("rtsps://cam/1", "rtsp", "rtsps://cam/1"),
        ("camera:/dev/video1", "camera", "/dev/video1"),
        ("/dev/null", "camera", "/dev/null"),
        ("folder:a:b", "folder", "a:b"),
    ],
)
def test_a_name_or_what_is_there_decides(where, name, told):
    """A URL by its scheme, a device by its kind."""
    assert sources.named(where) == (name, told)


def test_files_and_folders_are_known_by_what_they_are(tmp_path, monkeypatch):
    """Also one whose name looks like another source."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rtsp:film").touch()

    assert sources.named(str(tmp_path)) == ("folder", str(tmp_path))
    assert sources.named("rtsp:film") == ("video", "rtsp:film")


def test_an_unknown_scheme_says_which_file_to_add():
    """As for every plugin."""
    with pytest.raises(UnknownPluginError, match=r"add paceline/sources/http\.py"):
        open_source("http://x/y", SourceOptions())
