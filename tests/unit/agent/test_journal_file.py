import json
import os

import pytest

from agent import journal_file
from agent.journal import Journal, Progress
from agent.journal_file import JournalError

KEPT = Journal(
    start_counter=7,
    epoch=3,
    revision=41,
    generations={"detector": 6},
    desired='{"epoch":3,"revision":41,"text":"é"}',
    assignments={"detector.6-0": Progress(state="SERVING", restarts_without_serving=1)},
)
NEXT = Journal(start_counter=8, epoch=3, revision=42, generations={"detector": 7})
NUMBERS_OF_KEPT = Journal(start_counter=8, epoch=3, revision=41, generations={"detector": 6})


def _names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_first_start_has_an_empty_journal_and_no_problem(tmp_path):
    """A new device is not a broken one, and looking leaves nothing behind."""
    loaded = journal_file.load(tmp_path)

    assert (loaded.journal, loaded.problem, _names(tmp_path)) == (Journal(), None, [])


def test_saved_journal_is_loaded(tmp_path):
    """Everything comes back, text in any script included; nobody else can read it."""
    journal_file.save(tmp_path, KEPT)

    loaded = journal_file.load(tmp_path)

    assert (loaded.journal, loaded.problem) == (KEPT, None)
    assert (tmp_path / "journal.json").stat().st_mode & 0o777 == 0o600


def test_version_before_is_kept_and_no_other(tmp_path):
    """Two files, however often it is saved."""
    for journal in (Journal(start_counter=1), KEPT, NEXT):
        journal_file.save(tmp_path, journal)

    assert _names(tmp_path) == ["journal.json", "journal.json.previous"]
    assert json.loads((tmp_path / "journal.json.previous").read_text())["start_counter"] == 7
    assert journal_file.load(tmp_path).journal == NEXT


def test_saving_twice_after_a_failure_keeps_a_previous_version(tmp_path):
    """A save that failed after it linked does not disturb the next one."""
    journal_file.save(tmp_path, KEPT)
    (tmp_path / "journal.json.new").mkdir()
    with pytest.raises(JournalError):
        journal_file.save(tmp_path, NEXT)
    between = journal_file.load(tmp_path).journal
    (tmp_path / "journal.json.new").rmdir()
    journal_file.save(tmp_path, NEXT)

    assert (between, journal_file.load(tmp_path).journal) == (KEPT, NEXT)
    assert _names(tmp_path) == ["journal.json", "journal.json.previous"]


BROKEN = [
    b"",
    b"\0" * 100,
    b"[]",
    b'{"schema":2}',
    b'{"schema":1,"strange":1}',
    b'{"schema":1,"start_counter":-1}',
    b'{"schema":1,"start_counter":"7"}',
    b'{"schema":1,"start_counter":7',
    b"\xff\xfe",
]


@pytest.mark.parametrize("data", BROKEN)
def test_broken_journal_is_put_aside_and_no_number_goes_back(tmp_path, data):
    """Nothing is run from it, but old messages stay old and sessions stay new."""
    journal_file.save(tmp_path, KEPT)
    journal_file.save(tmp_path, NEXT)
    (tmp_path / "journal.json").write_bytes(data)

    loaded = journal_file.load(tmp_path)

    assert loaded.journal == NUMBERS_OF_KEPT
    assert loaded.problem.code == "journal.corrupt"
    assert loaded.problem.kept_as == "journal.json.corrupt-1"
    assert (tmp_path / "journal.json.corrupt-1").read_bytes() == data
    assert "waiting for the desired state" in str(loaded.problem)


def test_start_counter_after_a_loss_is_not_below_the_lost_one(tmp_path):
    """The lost version may have been that of a new start: its session numbers were used."""
    journal_file.save(tmp_path, KEPT)
    journal_file.save(tmp_path, NEXT)
    (tmp_path / "journal.json").write_bytes(b"")

    assert journal_file.load(tmp_path).journal.start_counter >= NEXT.start_counter


def test_journal_that_vanished_is_a_loss_too(tmp_path):
    """Where there is a previous version there was a journal."""
    journal_file.save(tmp_path, KEPT)
    journal_file.save(tmp_path, NEXT)
    (tmp_path / "journal.json").unlink()

    loaded = journal_file.load(tmp_path)

    assert loaded.journal == NUMBERS_OF_KEPT
    assert "missing" in loaded.problem.problem


def test_broken_journal_without_a_good_previous_one_starts_empty(tmp_path):
    """Two broken files are told as a problem; the agent starts all the same."""
    (tmp_path / "journal.json").write_bytes(b"{")
    (tmp_path / "journal.json.previous").write_bytes(b"{")

    loaded = journal_file.load(tmp_path)

    assert loaded.journal == Journal()
    assert loaded.problem is not None


def test_broken_journals_are_kept_in_a_bounded_number(tmp_path):
    """A disk that breaks every night does not fill itself."""
    for night in range(6):
        (tmp_path / "journal.json").write_text(f"broken {night}")
        journal_file.load(tmp_path)

    assert _names(tmp_path) == [f"journal.json.corrupt-{n}" for n in (1, 2, 3)]
    assert (tmp_path / "journal.json.corrupt-3").read_text() == "broken 5"


def test_huge_file_is_not_read_into_memory(tmp_path):
    """A sparse gigabyte under our name is a broken journal, not the end of the agent."""
    with (tmp_path / "journal.json").open("wb") as file:
        file.truncate(1 << 30)

    assert "larger than" in journal_file.load(tmp_path).problem.problem


def test_journal_that_is_too_large_is_not_saved(tmp_path):
    """It could not be loaded again; the one before stays."""
    journal_file.save(tmp_path, KEPT)

    with pytest.raises(JournalError, match="at most"):
        journal_file.save(tmp_path, Journal(desired="x" * journal_file.MAX_BYTES))

    assert journal_file.load(tmp_path).journal == KEPT


def test_disk_that_refuses_is_named(tmp_path):
    """A folder that cannot be made is an error with a name."""
    with pytest.raises(JournalError, match="cannot be kept") as caught:
        journal_file.save(tmp_path / "no" / "none", KEPT)

    assert (caught.value.code, caught.value.retryable) == ("journal.unwritable", True)


def test_a_folder_that_was_deleted_is_made_again(tmp_path):
    """Private, as it was."""
    journal_file.save(tmp_path / "state", KEPT)

    assert journal_file.load(tmp_path / "state").journal == KEPT
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700


def test_journal_that_is_a_folder_cannot_be_loaded(tmp_path):
    """What is no file of ours is neither read nor put aside."""
    (tmp_path / "journal.json").mkdir()

    with pytest.raises(JournalError, match="directory"):
        journal_file.load(tmp_path)


def test_previous_version_that_is_a_pipe_is_not_waited_for(tmp_path):
    """It is as unusable as a folder."""
    os.mkfifo(tmp_path / "journal.json.previous")

    with pytest.raises(JournalError, match="no regular file"):
        journal_file.load(tmp_path)


@pytest.mark.parametrize("steps", range(16))
def test_power_cut_anywhere_in_a_save_leaves_the_old_or_the_new(tmp_path, steps, monkeypatch):
    """Every system call that changes names may be the last one."""

    class PowerCutError(BaseException):
        pass

    journal_file.save(tmp_path, Journal(start_counter=1))
    journal_file.save(tmp_path, KEPT)
    left = [steps]

    def until_cut(call):
        def counted(*args, **kwargs):
            left[0] -= 1
            if left[0] < 0:
                raise PowerCutError
            return call(*args, **kwargs)

        return counted

    with monkeypatch.context() as patched:
        for name in ("link", "replace", "rename", "unlink", "fsync", "open"):
            patched.setattr(os, name, until_cut(getattr(os, name)))
        try:
            journal_file.save(tmp_path, NEXT)
            finished = True
        except PowerCutError:
            finished = False
    loaded = journal_file.load(tmp_path)

    assert loaded.problem is None
    assert loaded.journal in ((NEXT,) if finished else (KEPT, NEXT))
