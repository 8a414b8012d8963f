import errno
import hashlib
import os
from pathlib import Path

import pytest

from agent.artifacts.store import Store
from agent.artifacts.store_errors import (
    BadFilesError,
    SegmentCorruptError,
    StoreError,
    StoreFullError,
    StoreReadOnlyError,
    translated,
)
from wire.manifest import File, files_digest


def _file_of(name, data):
    return File(name=name, sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))


CONTENTS = {"segment.onnx": b"graph", "weights.bin": bytes(range(256)) * 8, "golden.frame": b""}
FILES = tuple(_file_of(name, data) for name, data in CONTENTS.items())
DIGEST = files_digest(FILES)


@pytest.fixture
def store(tmp_path):
    """Return an empty store."""
    return Store(tmp_path / "state" / "store", reserve_bytes=0)


def _stage(store, files=FILES, contents=CONTENTS):
    digest = files_digest(files)
    for file in files:
        descriptor = store.open_partial(file.sha256)
        try:
            os.write(descriptor, contents[file.name])
            store.stage(digest, file, descriptor)
        finally:
            os.close(descriptor)


@pytest.fixture
def filled(store):
    """Return a store that holds one complete segment."""
    _stage(store)
    store.finish(FILES)
    return store


def _rewrite(path, data):
    path.chmod(0o600)
    path.write_bytes(data)


def test_staged_files_become_a_segment_only_when_finished(store):
    """Until the last step a segment is not there; after it, it is there whole and right."""
    _stage(store)
    before = store.has(FILES)

    folder = store.finish(FILES)

    assert (before, store.has(FILES)) == (False, True)
    assert folder == store.root / DIGEST
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == CONTENTS
    assert store.verify(FILES) == folder
    assert store.digests() == {DIGEST}


def test_folders_and_files_are_private(filled):
    """Nobody else on the device can read a model, and nothing changes its files by accident."""
    folder = filled.folder(DIGEST)

    assert [p.stat().st_mode & 0o777 for p in (filled.root, folder)] == [0o700, 0o700]
    assert {p.stat().st_mode & 0o777 for p in folder.iterdir()} == {0o400}


def test_opening_again_finds_everything_and_clears_what_was_being_deleted(filled):
    """After a restart segments and downloads are there, half-deleted ones are not."""
    partial = filled.root / "partial"
    (partial / "0123.removed").mkdir()
    (partial / "0123.removed" / "weights.bin").write_bytes(b"x")
    (partial / ("a" * 64)).write_bytes(b"half")

    again = Store(filled.root)

    assert again.has(FILES)
    assert [p.name for p in partial.iterdir()] == ["a" * 64]


def test_staged_files_survive_a_restart(store):
    """A crash between two files of a segment costs neither."""
    _stage(store, FILES[:2])
    digest = files_digest(FILES[:2])

    again = Store(store.root)

    assert [again.is_staged(digest, file) for file in FILES] == [True, True, False]


def test_staged_file_that_changed_is_not_taken(store):
    """What a power cut left half written is fetched again."""
    _stage(store)
    _rewrite(store.root / "partial" / f"{DIGEST}.segment" / "segment.onnx", b"grapX")

    assert [store.is_staged(DIGEST, file) for file in FILES] == [False, True, True]


def test_crash_after_staging_but_before_sealing_can_be_taken_up(store):
    """A download stays writable until it has its final name."""
    descriptor = store.open_partial(FILES[0].sha256)
    os.write(descriptor, b"gra")
    os.close(descriptor)

    again = store.open_partial(FILES[0].sha256)

    assert os.read(again, 10) == b"gra"
    assert os.fstat(again).st_mode & 0o777 == 0o600
    os.close(again)


@pytest.mark.parametrize("missing", range(len(FILES)))
def test_segment_is_not_finished_while_a_file_is_missing(store, missing):
    """An incomplete segment never gets its name."""
    _stage(store)
    (store.root / "partial" / f"{DIGEST}.segment" / FILES[missing].name).unlink()

    with pytest.raises(SegmentCorruptError):
        store.finish(FILES)

    assert store.digests() == frozenset()


def _damage_byte(path):
    _rewrite(path, b"X" + path.read_bytes()[1:])


def _damage_length(path):
    _rewrite(path, path.read_bytes() + b"X")


def _damage_missing(path):
    path.unlink()


def _damage_symbolic_link(path):
    path.rename(path.parent.parent / "elsewhere")
    path.symlink_to(path.parent.parent / "elsewhere")


def _damage_hard_link(path):
    (path.parent.parent / "partial" / "other").hardlink_to(path)


def _damage_folder(path):
    path.unlink()
    path.mkdir()


def _damage_pipe(path):
    path.unlink()
    os.mkfifo(path)


def _damage_extra(path):
    (path.parent / "extra.so").write_bytes(b"")


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (_damage_byte, "sha256 is"),
        (_damage_length, "2049 bytes, not 2048"),
        (_damage_missing, "it holds"),
        (_damage_symbolic_link, "symbolic link"),
        (_damage_hard_link, "2 links"),
        (_damage_folder, "no regular file"),
        (_damage_pipe, "no regular file"),
        (_damage_extra, "it holds"),
    ],
)
def test_damaged_segment_is_found_and_named(filled, damage, problem):
    """Whatever happened to a kept file, it is not run."""
    damage(filled.folder(DIGEST) / "weights.bin")

    with pytest.raises(SegmentCorruptError, match=problem) as caught:
        filled.verify(FILES)

    assert caught.value.retryable
    assert caught.value.segment == DIGEST


def test_has_sees_shape_and_verify_sees_content(filled):
    """`has` is cheap: it does not read a gigabyte; `verify` does."""
    _damage_byte(filled.folder(DIGEST) / "weights.bin")
    same_size = filled.has(FILES)
    _damage_length(filled.folder(DIGEST) / "weights.bin")

    assert (same_size, filled.has(FILES)) == (True, False)


def test_segment_that_is_missing_or_no_folder_is_corrupt(store):
    """The answer is the same as for damage: fetch it again."""
    with pytest.raises(SegmentCorruptError, match="missing"):
        store.verify(FILES)
    (store.root / DIGEST).write_text("a file")
    with pytest.raises(SegmentCorruptError, match="no folder"):
        store.verify(FILES)
    store.remove(DIGEST)
    (store.root / DIGEST).symlink_to("/")
    with pytest.raises(SegmentCorruptError, match="no folder"):
        store.verify(FILES)


def test_verify_can_be_given_up(filled):
    """A revoked assignment does not wait for a gigabyte to be read."""

    class GivenUpError(Exception):
        pass

    def give_up():
        raise GivenUpError

    with pytest.raises(GivenUpError):
        filled.verify(FILES, before_block=give_up)


def test_finish_replaces_a_damaged_copy(filled):
    """A new download of the same digest takes the place of the old copy."""
    _damage_byte(filled.folder(DIGEST) / "weights.bin")
    _stage(filled)

    filled.finish(FILES)

    assert filled.verify(FILES) == filled.folder(DIGEST)


def test_removed_segment_is_gone_and_removing_twice_is_harmless(filled):
    """Its staged files go too, and nothing stays in the store."""
    _stage(filled)
    filled.remove(DIGEST)
    filled.remove(DIGEST)

    assert filled.digests() == frozenset()
    assert list((filled.root / "partial").iterdir()) == []


def test_keep_only_deletes_all_but_the_wanted(filled):
    """Old segments, old downloads and strange files go; what is wanted stays."""
    (filled.root / ("e" * 64)).mkdir()
    (filled.root / "strange").write_text("x")
    for name in ("a" * 64, "b" * 64):
        (filled.root / "partial" / name).write_bytes(b"half")

    deleted = filled.keep_only([DIGEST], ["a" * 64])

    assert deleted == 3
    assert filled.has(FILES)
    assert [p.name for p in (filled.root / "partial").iterdir()] == ["a" * 64]


def test_keep_only_spares_what_is_claimed(filled):
    """A fetch under way does not lose its ground."""
    (filled.root / "partial" / ("a" * 64)).write_bytes(b"half")

    with filled.claim("a" * 64), filled.claim(DIGEST):
        during = filled.keep_only([])
    after = filled.keep_only([])

    assert (during, after) == (0, 2)


def test_claim_is_held_by_one_and_given_back(store):
    """Two threads never write one file; an error gives the claim back too."""
    with store.claim("a") as first, store.claim("a") as second, store.claim("b") as other:
        taken = (first, second, other)
    with store.claim("a") as again:
        pass

    assert taken == (True, False, True)
    assert again


@pytest.mark.parametrize(
    "files",
    [
        (),
        (_file_of("../weights.bin", b""),),
        (_file_of("evil.so", b""),),
        (_file_of("weights.bin", b""), _file_of("weights.bin", b"x")),
        (File(name="weights.bin", sha256="../../etc/passwd", size_bytes=0),),
        (File(name="weights.bin", sha256="A" * 64, size_bytes=0),),
        (File(name="weights.bin", sha256="a" * 63 + "\n", size_bytes=0),),
        (File(name="weights.bin", sha256="a" * 64, size_bytes=-1),),
        (File(name="weights.bin", sha256="a" * 64, size_bytes=1 << 60),),
    ],
)
def test_files_that_a_store_cannot_keep_are_refused(store, files):
    """Names, digests and sizes come from a message: none of them becomes a path unchecked."""
    with pytest.raises(BadFilesError, match="assignment refused"):
        store.has(files)


@pytest.mark.parametrize("digest", ["..", "", "a" * 65, "partial"])
def test_digest_that_is_none_is_no_path(store, digest):
    """A folder of the store is named by a digest only."""
    with pytest.raises(BadFilesError):
        store.folder(digest)


def test_download_that_is_a_link_is_made_anew(store, tmp_path):
    """Nothing outside of the store is ever written through a name in it."""
    outside = tmp_path / "outside"
    outside.write_text("precious")
    partial = store.root / "partial"
    (partial / ("a" * 64)).symlink_to(outside)
    (partial / ("b" * 64)).hardlink_to(outside)

    for name in ("a" * 64, "b" * 64):
        descriptor = store.open_partial(name)
        os.write(descriptor, b"X")
        os.close(descriptor)

    assert outside.read_text() == "precious"


def test_quota_counts_what_is_there_and_what_is_missing(filled):
    """A segment that would not fit is refused before a byte is fetched; downloads count."""
    other = (_file_of("segment.onnx", b"y" * 100),)
    used_bytes = sum(len(data) for data in CONTENTS.values())
    tight = Store(filled.root, quota_bytes=used_bytes + 99, reserve_bytes=0)
    enough = Store(filled.root, quota_bytes=used_bytes + 100, reserve_bytes=0)

    enough.admit(other)
    with pytest.raises(StoreFullError, match="100 bytes more would exceed the quota"):
        tight.admit(other)
    (filled.root / "partial" / other[0].sha256).write_bytes(b"y" * 40)

    enough.admit(other)


def test_reserve_of_the_disk_is_left_to_others(store):
    """A full disk would stop more than us."""
    greedy = Store(store.root, reserve_bytes=1 << 60)

    with pytest.raises(StoreFullError, match="stay free"):
        greedy.admit(FILES)


def test_what_is_free_is_what_would_be_admitted(tmp_path):
    """Of the quota, less what is there; at most what the disk has, less its reserve."""
    store = Store(tmp_path / "store", reserve_bytes=0, quota_bytes=10_000)
    before = store.free_bytes()
    _stage(store)
    unlimited = Store(tmp_path / "other", reserve_bytes=1 << 60)

    used = sum(len(data) for data in CONTENTS.values())
    assert (before, store.free_bytes()) == (10_000, 10_000 - used)
    assert unlimited.free_bytes() == 0


def test_nothing_missing_needs_no_room(store):
    """When all is staged, a full disk does not stop the last step."""
    _stage(store)

    Store(store.root, reserve_bytes=1 << 60).admit(FILES)

    assert store.finish(FILES).is_dir()


@pytest.mark.parametrize(
    ("number", "kind", "code"),
    [
        (errno.ENOSPC, StoreFullError, "store.full"),
        (errno.EDQUOT, StoreFullError, "store.full"),
        (errno.EROFS, StoreReadOnlyError, "store.read_only"),
        (errno.EACCES, StoreReadOnlyError, "store.read_only"),
        (errno.EIO, StoreError, "store.io"),
    ],
)
def test_errors_of_the_disk_get_names(number, kind, code):
    """Whoever reads the state knows what to do about the disk."""
    with pytest.raises(StoreError) as caught, translated(Path("/x")):
        raise OSError(number, os.strerror(number))

    assert (type(caught.value), caught.value.code) == (kind, code)
    assert caught.value.retryable
    assert str(caught.value).startswith(f"store /x: {os.strerror(number)}; ")


def test_full_disk_while_staging_is_named(store):
    """A real ENOSPC, from the kernel's full device, is translated where it is met."""
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises(StoreFullError, match="No space left"), translated(store.root):
            os.write(full, b"x")
    finally:
        os.close(full)


def test_state_folder_that_is_a_file_is_named(tmp_path):
    """A wrong state_folder is an error with a name, not a traceback."""
    (tmp_path / "file").write_text("x")

    with pytest.raises(StoreError, match="store"):
        Store(tmp_path / "file" / "store")
