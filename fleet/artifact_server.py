"""A small HTTP server of artifacts: ``GET /sha256/<hex>``, ``HEAD``, one ``Range``; no more.

It looks names up in an index in memory and never makes a path of a URL. Connections are bounded
in number and in silence; one too many gets 503 and comes again.
"""

import contextlib
import os
import re
import socket
import socketserver
import stat
import sys
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any, ClassVar, Final, Self

import structlog

from fleet.artifact_index import Artifact, Index, wanted_range
from wire.errors import CodedError

MAX_CONNECTIONS: Final = 64
SILENCE_SECONDS: Final = 20.0
"""How long a connection may be idle, or stuck in the middle of a file."""

_CUT_SECONDS: Final = 2.0
_PATH: Final = re.compile(r"/sha256/([0-9a-f]{64})")
_BUSY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n"
    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
)

log = structlog.get_logger(__name__)


class ListenError(CodedError):
    """The server cannot have the address it was told."""

    code = "artifact.cannot_listen"
    exit_code: ClassVar[int] = 3

    def __init__(self, address: str, problem: str) -> None:
        super().__init__(address, problem)
        self.address = address
        self.problem = problem

    def __str__(self) -> str:
        return (
            f"{self.address}: cannot listen ({self.problem}); end what uses it, or name a"
            " free one (--serve HOST:PORT) that the agents' artifacts.origin points to"
        )


class ArtifactServer:
    """Serves an index until it is closed."""

    def __init__(self, files: Index, host: str, port: int, *, connections: int = 0) -> None:
        """Listen, so that a port in use is known at once; `start` or `with` answers.

        Args:
            files: What is served. The caller may add to it at any time.
            host: A name or an address.
            port: 0: a free one.
            connections: How many at a time; 0: `MAX_CONNECTIONS`.

        Raises:
            ListenError: The address cannot be had.
        """
        try:
            self._server = _Server(files, (host, port), connections or MAX_CONNECTIONS)
        except (OSError, OverflowError) as error:
            problem = getattr(error, "strerror", None) or str(error)
            raise ListenError(f"{host}:{port}", problem) from error
        self.files = files
        self._thread: threading.Thread | None = None
        self.host = host
        self.port: int = self._server.server_address[1]

    @property
    def url(self) -> str:
        """The origin that agents are given."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def start(self) -> None:
        """Answer, in a thread of its own, until `close`."""
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="artifacts", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop, and cut the connections that are left."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.server_close()
        self._server.cut()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, files: Index, address: tuple[str, int], connections: int) -> None:
        self.files = files
        self._slots = threading.BoundedSemaphore(connections)
        self._slots_count = connections
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        family = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0][0]
        self.address_family = family
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._slots.acquire(blocking=False):
            log.warning("connection.refused", limit=self._slots_count)
            request.setblocking(False)
            with contextlib.suppress(OSError):
                request.send(_BUSY)
            self.shutdown_request(request)
            return
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._open.discard(request)
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - parent's
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):  # one who went away is nothing to tell
            log.error("request.failed", reason=repr(error)[:200])

    def cut(self) -> None:
        """End every connection and wait for their threads, which then have nothing to do."""
        with self._lock:
            for request in self._open:
                with contextlib.suppress(OSError):
                    request.shutdown(socket.SHUT_RDWR)
        ends = time.monotonic() + _CUT_SECONDS
        for _ in range(self._slots_count):
            self._slots.acquire(timeout=max(0.0, ends - time.monotonic()))


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = "paceline"
    sys_version = ""
    timeout = SILENCE_SECONDS
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Send one artifact or the part of it that was asked for."""
        self._answer(send_body=True)

    def do_HEAD(self) -> None:
        """Send what GET would, without the body."""
        self._answer(send_body=False)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
        """Say nothing: whoever serves has its own progress to show."""

    def _answer(self, *, send_body: bool) -> None:
        match = _PATH.fullmatch(self.path)
        artifact = self.server.files.get(match[1]) if match else None
        descriptor = _opened(artifact) if artifact else None
        if artifact is None or descriptor is None or match is None:
            self._send_empty(HTTPStatus.NOT_FOUND)
            return
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            part = wanted_range(self.headers.get("Range"), artifact.size_bytes)
            if part is not None and not part:
                unsatisfied = {"Content-Range": f"bytes */{artifact.size_bytes}"}
                self._send_empty(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, unsatisfied)
                return
            self._send_head(match[1], artifact, part)
            part = range(artifact.size_bytes) if part is None else part
            if send_body and part:
                sent = self.connection.sendfile(file, part.start, len(part))
                # a file that shrank meanwhile: only closing tells the client
                self.close_connection = self.close_connection or sent != len(part)

    def _send_head(self, sha256: str, artifact: Artifact, part: range | None) -> None:
        if part is None:
            self.send_response(HTTPStatus.OK)
        else:
            self.send_response(HTTPStatus.PARTIAL_CONTENT)
            span = f"bytes {part.start}-{part.stop - 1}/{artifact.size_bytes}"
            self.send_header("Content-Range", span)
        length = artifact.size_bytes if part is None else len(part)
        self.send_header("Content-Length", str(length))
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Cache-Control", "public, max-age=31536000, immutable")
        self.send_header("ETag", f'"{sha256}"')
        self.end_headers()

    def _send_empty(self, status: HTTPStatus, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _opened(artifact: Artifact) -> int | None:
    """Return a descriptor of the file if it is still the one that was indexed."""
    try:
        descriptor = os.open(artifact.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        log.warning("artifact.vanished", path=str(artifact.path), reason=str(error))
        return None
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and found.st_size == artifact.size_bytes:
        return descriptor
    os.close(descriptor)
    log.warning("artifact.changed", path=str(artifact.path))
    return None
