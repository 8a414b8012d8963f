"""The one HTTP server that artifacts come from: ``GET {origin}/sha256/<hex>``, with Range.

One request at a time; retries are the caller's. Redirects are refused by name: an assignment, or
whoever answers for the origin, must not choose where a device connects.
"""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import urllib3

from agent.artifacts.download import Download, OversizeError
from agent.artifacts.fetch_errors import (
    ArtifactRedirectError,
    ArtifactRefusedError,
    ArtifactSizeError,
)
from agent.artifacts.store_files import is_sha256
from wire.manifest import File

BLOCK_BYTES: Final = 256 << 10
CONNECT_SECONDS: Final = 5.0
READ_SECONDS: Final = 15.0

_CONTENT_RANGE: Final = re.compile(r"bytes ([0-9]{1,15})-([0-9]{1,15})/([0-9]{1,15})")
_ABSENT: Final = 404
_PASSING: Final = frozenset({_ABSENT, 408, 425, 429, 500, 502, 503, 504})
"""Answers that may be another one soon; 404: the origin may not have been told the file yet."""


class InterruptedRequestError(Exception):
    """One request did not bring the whole file; another may.

    ``not_served``: nothing listens there, or what does has no such file.
    """

    def __init__(self, reason: str, *, not_served: bool = False) -> None:
        super().__init__(reason)
        self.not_served = not_served


class Origin:
    """A client of one artifact server. Safe to use from several threads."""

    def __init__(
        self,
        url: str,
        *,
        ca_file: Path | None = None,
        connect_seconds: float = CONNECT_SECONDS,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        """Prepare; nothing is connected yet.

        Args:
            url: As `agent.config.values.Origin`.
            ca_file: Certificates that may sign the server's; None: those of the system.
            connect_seconds: How long a connection may take.
            read_seconds: How long the server may be silent.
        """
        self.url = url.rstrip("/")
        timeout = urllib3.Timeout(connect=connect_seconds, read=read_seconds)
        self._pool = urllib3.PoolManager(
            num_pools=1,
            maxsize=4,
            timeout=timeout,
            retries=False,
            ca_certs=str(ca_file) if ca_file else None,
        )

    def close(self) -> None:
        """Close idle connections."""
        self._pool.clear()

    @contextlib.contextmanager
    def get(self, download: Download, segment: str) -> Iterator[Iterator[bytes]]:
        """Ask for what is missing of ``download``; yield the blocks that come.

        When the server sends all from the beginning, what was there is discarded first.

        Raises:
            InterruptedRequestError: It failed in a way that may pass, also between the blocks.
            ArtifactSizeError: The server has another size.
            ArtifactRefusedError: It answered with something we never accept.
        """
        file = download.file
        with _translated(), self._response(file, download.done_bytes) as response:
            _check_status(response, self.url)
            if response.status == 416 and download.done_bytes:
                download.discard()
                raise InterruptedRequestError("HTTP 416 for the rest; beginning again")
            if response.status == 206:
                _check_range(response, download, segment)
            elif response.status == 200:
                _check_length(response, file, segment)
                if download.done_bytes:
                    download.discard()
            else:
                raise ArtifactRefusedError(self.url, f"answered HTTP {response.status}")
            yield _blocks(response, download)

    @contextlib.contextmanager
    def _response(self, file: File, offset: int) -> Iterator[urllib3.BaseHTTPResponse]:
        if not is_sha256(file.sha256):
            raise ArtifactRefusedError(self.url, f"never asked for {file.sha256!r:.80}")
        headers = {"Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        response = self._pool.request(
            "GET",
            f"{self.url}/sha256/{file.sha256}",
            headers=headers,
            redirect=False,
            preload_content=False,
            decode_content=False,
        )
        try:
            yield response
        finally:
            # a connection with an unread rest cannot serve another request
            response.close()
            response.release_conn()


def deliver(blocks: Iterator[bytes], download: Download, segment: str) -> Iterator[int]:
    """Write the blocks of `Origin.get`; yield after each how many bytes are there.

    Raises:
        ArtifactSizeError: More came than the file has; no byte too many was written.
        OSError: The disk failed.
    """
    for block in blocks:
        try:
            download.write(block)
        except OversizeError:
            size_bytes = download.file.size_bytes
            raise ArtifactSizeError(segment, expected_bytes=size_bytes, got="more") from None
        yield download.done_bytes


def _blocks(response: urllib3.BaseHTTPResponse, download: Download) -> Iterator[bytes]:
    """Yield what comes, until the server ends or one byte too many has come."""
    while download.remaining_bytes >= 0:
        with _translated():
            # one more than is missing, so that a longer body is noticed
            block = response.read1(min(BLOCK_BYTES, download.remaining_bytes + 1))
        if not block:
            return
        yield block


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except urllib3.exceptions.HTTPError as error:
        refused = isinstance(_cause(error), ConnectionRefusedError)
        raise InterruptedRequestError(_short(error), not_served=refused) from error


def _short(error: Exception) -> str:
    """Return what went wrong without the library's addresses of objects."""
    cause = _cause(error)
    return f"{type(error).__name__}: {getattr(cause, 'strerror', None) or cause}"[:200]


def _cause(error: Exception) -> BaseException:
    return error.__cause__ or error.__context__ or error


def _check_status(response: urllib3.BaseHTTPResponse, origin: str) -> None:
    status = response.status
    if 300 <= status < 400:
        location = response.headers.get("Location", "")
        raise ArtifactRedirectError(
            origin, f"redirects to {location!r:.200} (HTTP {status}), which is never followed"
        )
    if status in _PASSING:
        raise InterruptedRequestError(f"HTTP {status}", not_served=status == _ABSENT)
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise ArtifactRefusedError(origin, "sends an encoding that was not asked for")


def _check_length(response: urllib3.BaseHTTPResponse, file: File, segment: str) -> None:
    length = response.headers.get("Content-Length")
    if length is not None and length != str(file.size_bytes):
        raise ArtifactSizeError(segment, expected_bytes=file.size_bytes, got=f"{length:.20} bytes")


def _check_range(response: urllib3.BaseHTTPResponse, download: Download, segment: str) -> None:
    size_bytes = download.file.size_bytes
    text = response.headers.get("Content-Range", "")
    match = _CONTENT_RANGE.fullmatch(text)
    expected = (download.done_bytes, size_bytes - 1, size_bytes)
    if match is None or tuple(map(int, match.groups())) != expected:
        raise ArtifactSizeError(segment, expected_bytes=size_bytes, got=f"the range {text!r:.60}")
