"""What the command line asks a hub over HTTP: the site, at once and at every change."""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urlsplit

import msgspec
import urllib3

from fleet.hub import tokens
from fleet.hub.views import SiteView
from paceline.hub_errors import (
    BadHubOptionError,
    HubPipelineUnknownError,
    HubRefusedError,
    HubSilentError,
)
from paceline.output import one_line

DEFAULT_HUB: Final = "http://127.0.0.1:8787"
CONNECT_SECONDS: Final = 5.0
SILENCE_SECONDS: Final = 10.0
"""A hub says something every second."""
MAX_EVENT_BYTES: Final = 64 << 20
_CHUNK_BYTES: Final = 64 << 10


class HubClient:
    """One hub, seen from a terminal; a context manager."""

    def __init__(self, address: str, token_file: Path | None) -> None:
        """Check the address and read the token.

        Raises:
            BadHubOptionError: It is no address of a hub.
            TokenFileError: The token cannot be read.
        """
        self.address = checked(address)
        self._headers = {"Accept": "text/event-stream"}
        if token_file is not None:
            self._headers["Authorization"] = f"Bearer {tokens.load(token_file)}"
        self._pool = urllib3.PoolManager(
            retries=False, timeout=urllib3.Timeout(CONNECT_SECONDS, SILENCE_SECONDS)
        )

    def close(self) -> None:
        """End all connections."""
        self._pool.clear()

    def follow(self, pipeline: str | None) -> Generator[SiteView, None, None]:
        """Yield the site at once, at every change, and again after a second without one.

        Raises:
            HubSilentError: No hub answers, or not any more.
            HubRefusedError: It wants its token, or another one.
            HubPipelineUnknownError: It knows no such pipeline.
        """
        query = {"pipeline": pipeline} if pipeline is not None else {}
        url = f"{self.address}/api/v1/events?{urlencode(query)}"
        try:
            answer = self._pool.request("GET", url, headers=self._headers, preload_content=False)
            try:
                self._check(answer, pipeline)
                yield from _views(answer)
            finally:
                answer.close()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise HubSilentError(self.address, _reason(error)) from error
        except msgspec.DecodeError as error:
            problem = f"it speaks another version ({one_line(str(error))[:120]})"
            raise HubSilentError(self.address, problem) from error
        raise HubSilentError(self.address, "it ended the stream")

    def _check(self, answer: urllib3.BaseHTTPResponse, pipeline: str | None) -> None:
        if answer.status in {401, 403, 429}:
            told = {401: "it asks for its token", 429: "too many wrong tokens; wait a few seconds"}
            raise HubRefusedError(self.address, told.get(answer.status, "this is not allowed"))
        if answer.status == 404 and pipeline is not None:
            raise HubPipelineUnknownError(self.address, pipeline)
        kind = answer.headers.get("Content-Type", "")
        if answer.status != 200 or not kind.startswith("text/event-stream"):
            raise HubSilentError(self.address, f"it answered {answer.status}, as no hub does")


def checked(address: str) -> str:
    """Return the address without a slash at its end.

    Raises:
        BadHubOptionError: It is no address of a hub.
    """
    try:
        split = urlsplit(address)
        usable = split.scheme in {"http", "https"} and bool(split.hostname) and split.port != 0
    except ValueError:
        usable = False
    if not usable or split.username is not None or split.query or split.fragment:
        raise BadHubOptionError("--hub", address.partition("@")[2] or address, DEFAULT_HUB)
    return address.rstrip("/")


def _views(answer: urllib3.BaseHTTPResponse) -> Iterator[SiteView]:
    """Yield the view of each event."""
    rest = b""
    for chunk in answer.stream(_CHUNK_BYTES):
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > MAX_EVENT_BYTES:
            raise msgspec.DecodeError("an event without end")
        for line in lines:
            if line.startswith(b"data:"):
                yield msgspec.json.decode(line[5:], type=SiteView)


def _reason(error: Exception) -> str:
    """Return why, without addresses of objects."""
    if isinstance(error, urllib3.exceptions.NewConnectionError):
        return "the connection was refused or its name is not known"
    if isinstance(error, urllib3.exceptions.TimeoutError):
        return "it was silent for too long"
    return one_line(str(error))[:120] or type(error).__name__
