"""Bring a segment to this device: a kept copy that is still right, else a download that resumes.

Runs in a thread of the caller's. Every wait is bounded and ends early when cancelled; what was
downloaded is kept for the next time.
"""

import os
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import structlog

from agent.artifacts import origin as origin_module
from agent.artifacts.download import Download
from agent.artifacts.fetch_errors import (
    ArtifactMismatchError,
    ArtifactNotServedError,
    ArtifactSizeError,
    ArtifactUnreachableError,
    FetchCancelledError,
)
from agent.artifacts.origin import InterruptedRequestError, Origin
from agent.artifacts.store import Store
from agent.artifacts.store_errors import SegmentCorruptError, translated
from agent.artifacts.store_files import check_files
from wire import backoff
from wire.manifest import File

BUSY_SECONDS: Final = 0.2
"""How often a segment that another thread is fetching is looked at."""

log = structlog.get_logger(__name__)


class Cancel(Protocol):
    """What ends a fetch early; `threading.Event` is one."""

    def is_set(self) -> bool:
        """Whether to end."""
        ...

    def wait(self, timeout: float) -> bool:
        """Wait so many seconds or until `is_set`; return `is_set`."""
        ...


def _untold(_done_bytes: int, _total_bytes: int) -> None:
    """Tell nobody of the progress."""


Hindered = Callable[[ArtifactUnreachableError], None]
"""Told, in the thread that fetches, when the origin begins to give nothing."""


def _unhindered(_error: ArtifactUnreachableError) -> None:
    """Tell nobody of what is in the way."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a fetch goes on without success."""

    attempts: int = 8
    """Requests for one file, one after the other, that bring nothing new."""
    total_attempts: int = 200
    """Requests for one file altogether."""
    first_delay_seconds: float = 0.5
    longest_delay_seconds: float = 20.0


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Fetches segments from one origin into one store."""

    store: Store
    origin: Origin
    patience: Patience = Patience()
    rng: random.Random = field(default_factory=random.SystemRandom)

    def obtain(
        self,
        segment: str,
        files: Sequence[File],
        *,
        cancel: Cancel,
        progress: Callable[[int, int], None] = _untold,
        hindered: Hindered = _unhindered,
    ) -> Path:
        """Return the folder of a complete segment whose every byte was checked just now.

        Args:
            segment: Its name, for errors and logs.
            files: As the assignment names them.
            cancel: Ends the fetch within `agent.artifacts.origin.READ_SECONDS`.
            progress: Called with (bytes there, bytes in all) after each block.
            hindered: Called when the origin begins to give nothing; it is asked again.

        Raises:
            BadFilesError: The list is not one of a segment.
            FetchCancelledError: ``cancel`` was set.
            ArtifactMismatchError: Twice the bytes were not those the digest names.
            ArtifactSizeError: Twice the origin had another size.
            ArtifactUnreachableError: The origin gave nothing, however often asked; an
                `ArtifactNotServedError` where nothing there has the file.
            ArtifactRefusedError: The origin answered with a redirect or the like.
            StoreError: The disk is full, read-only or broken.
        """
        digest = check_files(files)
        one = _Fetch(self, segment, files, cancel, progress, hindered)
        while True:
            with self.store.claim(digest) as mine:
                if mine:
                    return one.kept() or one.fetched(digest)
            one.pause(BUSY_SECONDS)


@dataclass(slots=True)
class _Fetch:
    """One call of `Fetcher.obtain`."""

    by: Fetcher
    segment: str
    files: Sequence[File]
    cancel: Cancel
    progress: Callable[[int, int], None]
    hindered: Hindered
    before_bytes: int = 0
    """The sizes of the files that are complete."""

    def kept(self) -> Path | None:
        """Return the folder of a kept copy; one that is not right is deleted."""
        digest = check_files(self.files)
        with translated(self.by.store.root):
            if not self.by.store.folder(digest).exists():
                return None
        try:
            folder = self.by.store.verify(self.files, before_block=self.check)
        except SegmentCorruptError as error:
            log.warning("segment.found_corrupt", segment=self.segment, reason=str(error))
            self.by.store.remove(digest)
            return None
        self.progress(self._total_bytes, self._total_bytes)
        return folder

    def fetched(self, digest: str) -> Path:
        """Download what is missing and return the segment's folder."""
        self.by.store.admit(self.files)
        for file in self.files:
            self.check()
            if not self.by.store.is_staged(digest, file):
                self._file(digest, file)
            self.before_bytes += file.size_bytes
            self.progress(self.before_bytes, self._total_bytes)
        try:
            return self.by.store.finish(self.files)
        except SegmentCorruptError:
            self.by.store.remove(digest)  # something strange in it must not stay for ever
            raise

    def check(self) -> None:
        """Raise if cancelled."""
        if self.cancel.is_set():
            raise FetchCancelledError(self.segment)

    def pause(self, seconds: float) -> None:
        """Wait, or raise if cancelled."""
        if self.cancel.wait(seconds):
            raise FetchCancelledError(self.segment)

    @property
    def _total_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)

    def _file(self, digest: str, file: File) -> None:
        while True:
            # another segment may have a file of the same bytes: one download at a time
            with self.by.store.claim(file.sha256) as mine:
                if mine:
                    return self._claimed_file(digest, file)
            self.pause(BUSY_SECONDS)

    def _claimed_file(self, digest: str, file: File) -> None:
        descriptor = self.by.store.open_partial(file.sha256)
        try:
            with translated(self.by.store.root):
                download = Download(file, descriptor)
                download.resume(self.check)
                try:
                    self._whole(download)
                except (ArtifactMismatchError, ArtifactSizeError) as error:
                    log.warning("artifact.discarded", segment=self.segment, reason=str(error))
                    download.discard()
                    self._second_try(download)
            self.by.store.stage(digest, file, descriptor)
        finally:
            os.close(descriptor)

    def _second_try(self, download: Download) -> None:
        try:
            self._whole(download)
        except (ArtifactMismatchError, ArtifactSizeError):
            download.discard()
            raise

    def _whole(self, download: Download) -> None:
        """Ask until all bytes are there, and check them."""
        delays = self._delays()
        fruitless = total = 0
        while download.remaining_bytes:
            had_bytes = download.done_bytes
            try:
                self._request(download)
                why = InterruptedRequestError("the connection ended early")
            except InterruptedRequestError as error:
                why = error
            total += 1
            if download.done_bytes > had_bytes:
                fruitless, delays = 0, self._delays()
            else:
                fruitless += 1
            if not download.remaining_bytes:
                break
            patience = self.by.patience
            kind = ArtifactNotServedError if why.not_served else ArtifactUnreachableError
            url, reason = self.by.origin.url, str(why)
            if fruitless >= patience.attempts or total >= patience.total_attempts:
                raise kind(url, reason, attempts=total)
            if fruitless == 1:  # once, when it begins; the end of it is the segment's progress
                log.warning("artifact.not_fetched", segment=self.segment, origin=url, reason=reason)
                self.hindered(kind(url, reason, attempts=total))
            self.pause(next(delays))
        if download.sha256 != download.file.sha256:
            raise ArtifactMismatchError(
                self.segment, expected=download.file.sha256, actual=download.sha256
            )

    def _request(self, download: Download) -> None:
        self.check()
        with self.by.origin.get(download, self.segment) as blocks:
            for done_bytes in origin_module.deliver(blocks, download, self.segment):
                self.progress(self.before_bytes + done_bytes, self._total_bytes)
                self.check()

    def _delays(self) -> Iterator[float]:
        patience = self.by.patience
        return backoff.delays(
            patience.first_delay_seconds, patience.longest_delay_seconds, self.by.rng
        )
