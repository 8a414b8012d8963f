"""Profiles that are kept."""

import msgspec
import pytest

from fleet.profiles import kept, store
from tests.unit.fleet.profiles.records import SHA256, operator, profile


@pytest.fixture
def folder(tmp_path):
    """Where they are kept."""
    return tmp_path / "profiles"


def test_what_was_measured_is_recalled(folder):
    """Exactly as it was kept, for the same question alone."""
    made = profile(operators=[operator(1, 0.25)])
    other = msgspec.structs.replace(made.question, threads=2)

    assert store.recall(folder, made.question) is None
    assert store.keep(folder, made)
    assert store.recall(folder, made.question) == made
    assert store.recall(folder, other) is None


def test_all_of_a_model(folder):
    """The newest first."""
    for number, device in enumerate(("d1", "d2")):
        store.keep(folder, profile(device=device, measured_unix_ns=number))

    assert [made.device for made in store.of_model(folder, SHA256)] == ["d2", "d1"]
    assert store.of_model(folder, "b" * 64) == ()


@pytest.mark.parametrize("damage", ["cut", "unknown", "schema", "other", "link"])
def test_what_is_damaged_counts_as_none_and_is_named(folder, tmp_path, capsys, damage):
    """Whatever is wrong with it; the log names the file."""
    made = profile()
    store.keep(folder, made)
    (file,) = folder.iterdir()
    data = file.read_bytes()
    match damage:
        case "cut":
            file.write_bytes(data[: len(data) // 2])
        case "unknown":
            file.write_bytes(data.replace(b'"sizes"', b'"sires"'))
        case "schema":
            file.write_bytes(data.replace(b'"schema":1', b'"schema":2'))
        case "other":
            file.write_bytes(b"\xff" * 40)
        case "link":
            file.unlink()
            file.symlink_to("/dev/zero")

    assert store.recall(folder, made.question) is None
    printed = capsys.readouterr().out
    assert "profile.found_damaged" in printed
    assert file.name in printed


def test_a_profile_of_another_question_is_not_taken(folder):
    """A file that somebody renamed answers nothing."""
    made, other = profile(device="d1"), profile(device="d2")
    store.keep(folder, made)
    (file,) = folder.iterdir()
    store.keep(folder, other)
    (second,) = set(folder.iterdir()) - {file}
    file.replace(second)

    assert store.recall(folder, other.question) is None


def test_the_oldest_go(folder, monkeypatch):
    """So the folder does not grow for ever."""
    monkeypatch.setattr(kept, "MAX_KEPT", 3)
    for number in range(5):
        store.keep(folder, profile(device=f"d{number}"))

    assert len(list(folder.iterdir())) == 3


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path):
    """What was measured is shown all the same."""
    (tmp_path / "file").write_text("")

    assert not store.keep(tmp_path / "file" / "profiles", profile())
