"""Segments on the device's disk, each in a folder named by its digest.

    store/<segment digest>/{golden.frame and the model's files}        complete, 0700, files 0400
    store/partial/<sha256>                                             a download under way
    store/partial/<segment digest>.segment/                            its files that are complete
    store/partial/<random>.removed/                                    being deleted

Every step ends in one rename between synced folders, so after a crash a segment is complete or
not there; what lies in ``partial`` is taken up again or is rubbish. Files are regular and have
one link: nothing is shared between segments, so none can be changed through another. Bytes are
hashed as they are written; `Store.verify` reads them again when a kept segment is taken up.

One process at a time uses a store (`agent.durable.hold` on the state folder), with any number
of threads.
"""

import contextlib
import os
import shutil
import threading
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from agent import durable
from agent.artifacts import store_files
from agent.artifacts.store_errors import (
    BadFilesError,
    SegmentCorruptError,
    StoreError,
    StoreFullError,
    translated,
)
from agent.artifacts.store_files import STAGED, check_files, is_sha256
from wire.manifest import File

_PARTIAL: Final = "partial"
_REMOVED: Final = ".removed"


class Store:
    """The segments under one folder; safe to use from several threads of one process."""

    def __init__(
        self,
        folder: Path,
        *,
        quota_bytes: int | None = None,
        reserve_bytes: int = 16 << 20,
        tolerated: Collection[int] = (),
    ) -> None:
        """Open the store, creating it where it is missing.

        Args:
            folder: ``<state folder>/store``.
            quota_bytes: All of it together; None: as much as the disk has.
            reserve_bytes: What is always left free on the disk for others.
            tolerated: Numbers of the system's errors that may pass: then `make_ready` tells.

        Raises:
            StoreError: It cannot be created, or its leftovers cannot be deleted.
        """
        self.root = folder
        self._partial = folder / _PARTIAL
        self._quota_bytes = quota_bytes
        self._reserve_bytes = reserve_bytes
        self._lock = threading.Lock()
        self._claimed: set[str] = set()
        self._ready = False
        try:
            self.make_ready()
        except StoreError as error:
            if getattr(error.__cause__, "errno", None) not in tolerated:
                raise

    def make_ready(self) -> None:
        """Make the folders that are missing and delete leftovers, unless that is done.

        Whoever deletes the folders of a running agent has them made again.

        Raises:
            StoreError: The disk refused.
        """
        if self._ready and os.path.isdir(self._partial):  # noqa: PTH112 no error where it is closed
            return
        with translated(self.root):
            for made in (self.root, self._partial):
                made.mkdir(mode=0o700, parents=True, exist_ok=True)
                if made.stat().st_mode & 0o777 != 0o700:
                    made.chmod(0o700)
            durable.sync_folder(self.root)
            for removed in self._partial.glob(f"*{_REMOVED}"):
                shutil.rmtree(removed)
        self._ready = True

    def folder(self, digest: str) -> Path:
        """Return where the segment ``digest`` is, or would be."""
        if not is_sha256(digest):
            raise BadFilesError(f"{digest!r:.80} is no segment's digest")
        return self.root / digest

    def digests(self) -> frozenset[str]:
        """Return the digests of all complete segments."""
        with translated(self.root):
            return frozenset(p.name for p in self.root.iterdir() if is_sha256(p.name))

    def has(self, files: Sequence[File]) -> bool:
        """Whether a complete segment of these files is kept; their bytes are not read."""
        folder = self.folder(check_files(files))
        with translated(folder):
            try:
                store_files.check_names(folder, files)
                for file in files:
                    os.close(store_files.open_whole(folder, file))
            except (FileNotFoundError, SegmentCorruptError):
                return False
        return True

    def verify(
        self, files: Sequence[File], *, before_block: Callable[[], None] = lambda: None
    ) -> Path:
        """Read a kept segment again from end to end and return its folder.

        ``before_block`` is called between reads and may raise to give up.

        Raises:
            SegmentCorruptError: It is missing, or a file is not the one the digest names.
            StoreError: The disk cannot be read.
        """
        digest = check_files(files)
        folder = self.folder(digest)
        try:
            with translated(folder):
                store_files.check_names(folder, files)
                for file in files:
                    actual = store_files.hashed(store_files.open_whole(folder, file), before_block)
                    if actual != file.sha256:
                        raise SegmentCorruptError(
                            digest, file.name, f"sha256 is {actual[:12]}, not {file.sha256[:12]}"
                        )
        except StoreError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise SegmentCorruptError(digest, "folder", "it is missing") from error
            raise
        return folder

    def admit(self, files: Sequence[File]) -> None:
        """Check that there is room for what is missing of a segment.

        Raises:
            StoreFullError: There is not; nothing was written.
        """
        self.make_ready()
        digest = check_files(files)
        with translated(self.root):
            staged = self._staging(digest)
            missing_bytes = sum(
                max(0, file.size_bytes - store_files.size_of(self._partial / file.sha256))
                for file in files
                if store_files.size_of(staged / file.name) != file.size_bytes
            )
            used_bytes, free_bytes = self._room()
        if self._quota_bytes is not None and used_bytes + missing_bytes > self._quota_bytes:
            raise StoreFullError(
                self.root,
                f"{missing_bytes} bytes more would exceed the quota"
                f" ({used_bytes} of {self._quota_bytes} used)",
            )
        if missing_bytes and free_bytes < missing_bytes + self._reserve_bytes:
            raise StoreFullError(
                self.root,
                f"{missing_bytes} bytes are needed"
                f" (free: {free_bytes}, of which {self._reserve_bytes} stay free)",
            )

    def free_bytes(self) -> int:
        """Return how much more `admit` would take now.

        Raises:
            StoreError: The disk refused.
        """
        with translated(self.root):
            used_bytes, free_bytes = self._room()
        left = [free_bytes - self._reserve_bytes]
        left += [self._quota_bytes - used_bytes] if self._quota_bytes is not None else []
        return max(0, min(left))

    def _room(self) -> tuple[int, int]:
        """Return the bytes that are used here, and those that the disk has free."""
        used_bytes = sum(store_files.size_of(path) for path in self.root.rglob("*"))
        return used_bytes, shutil.disk_usage(self.root).free

    @contextlib.contextmanager
    def claim(self, name: str) -> Iterator[bool]:
        """Hold a segment's digest or a download's SHA-256; yield False while another holds it.

        What is claimed is not deleted by `keep_only`.
        """
        with self._lock:
            free = name not in self._claimed
            if free:
                self._claimed.add(name)
        try:
            yield free
        finally:
            if free:
                with self._lock:
                    self._claimed.discard(name)

    def open_partial(self, sha256: str) -> int:
        """Return a descriptor of a download, for reading and writing; the caller closes it.

        Raises:
            StoreError: The disk refused.
        """
        path = self._partial / self.folder(sha256).name
        with translated(path):
            return store_files.open_partial(path)

    def stage(self, digest: str, file: File, descriptor: int) -> None:
        """Move a download that was found right to the segment it was made for.

        ``descriptor`` is that of `open_partial`, and stays the caller's. Until `finish` the
        segment is not complete.

        Raises:
            StoreError: The disk refused; the download is kept.
        """
        staging = self._staging(digest)
        with translated(staging):
            os.fsync(descriptor)
            staging.mkdir(mode=0o700, exist_ok=True)
            (self._partial / file.sha256).replace(staging / file.name)
            # only now: a download that nobody may write could not be taken up after a crash
            os.fchmod(descriptor, 0o400)
            durable.sync_folder(staging)
            durable.sync_folder(self._partial)

    def is_staged(self, digest: str, file: File) -> bool:
        """Whether `stage` was done for this file, also before a crash; its bytes are read."""
        staging = self._staging(digest)
        with translated(staging):
            try:
                return store_files.hashed(store_files.open_whole(staging, file)) == file.sha256
            except (FileNotFoundError, SegmentCorruptError):
                return False

    def finish(self, files: Sequence[File]) -> Path:
        """Make a segment of which every file is staged complete, and return its folder.

        Raises:
            SegmentCorruptError: A file is missing or more than these are there.
            StoreError: The disk refused.
        """
        digest = check_files(files)
        staging, folder = self._staging(digest), self.folder(digest)
        with translated(folder):
            staging.mkdir(mode=0o700, exist_ok=True)
            store_files.check_names(staging, files)
            self._discard(folder)
            staging.rename(folder)
            durable.sync_folder(self.root)
            durable.sync_folder(self._partial)
        return folder

    def remove(self, digest: str) -> None:
        """Delete one segment and what was staged of it; none is no error."""
        with translated(self.root):
            self._discard(self.folder(digest))
            self._discard(self._staging(digest))

    def keep_only(self, digests: Iterable[str], partial_sha256: Iterable[str] = ()) -> int:
        """Delete every other segment and download; return how many.

        Args:
            digests: Segments that are, or are being fetched to be, served.
            partial_sha256: Downloads that may be taken up again. Those that are claimed are
                never deleted.
        """
        with self._lock:
            kept = {*digests, *self._claimed}
            wanted = {_PARTIAL, *kept, *(name + STAGED for name in kept), *partial_sha256}
            with translated(self.root):
                paths = [*self.root.iterdir(), *self._partial.iterdir()]
                return sum(self._discard(path) for path in paths if path.name not in wanted)

    def _staging(self, digest: str) -> Path:
        return self._partial / (self.folder(digest).name + STAGED)

    def _discard(self, path: Path) -> bool:
        """Delete a folder or file so that no half of it is ever found under its name."""
        if not os.path.lexists(path):
            return False
        if path.is_symlink() or not path.is_dir():
            path.unlink()
            return True
        removed = self._partial / (uuid.uuid4().hex + _REMOVED)
        path.rename(removed)
        durable.sync_folder(path.parent)
        shutil.rmtree(removed)
        return True
