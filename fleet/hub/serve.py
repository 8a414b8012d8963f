"""How HTTP is served inside the hub's event loop: on a socket of our own, ended by an event."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator
from typing import ClassVar, Final

import structlog
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from fleet.hub.web.app import HubApp
from wire.errors import CodedError

GRACE_SECONDS: Final = 1.0
"""How long answers that are on their way may take when the hub stops."""
IDLE_SECONDS: Final = 10.0
"""How long a connection may be open without a whole request."""
STALLED_SECONDS: Final = 20.0
"""How long a reader may take nothing of what was sent; then the kernel ends its connection."""
MAX_CONNECTIONS: Final = 512
"""One more is told to come back later (503)."""

log = structlog.get_logger(__name__)


class AddressError(CodedError):
    """The hub cannot have the address that it was told."""

    code = "hub.address_in_use"
    exit_code: ClassVar[int] = 3

    def __init__(self, address: str, problem: str) -> None:
        super().__init__(address, problem)
        self.address = address
        self.problem = problem

    def __str__(self) -> str:
        return (
            f"{self.address}: the hub cannot listen there ({self.problem}); end what uses it, or"
            " name another with --listen HOST:PORT (port 0: a free one)"
        )


def listen(host: str, port: int, *, stalled_seconds: float = STALLED_SECONDS) -> socket.socket:
    """Return a listening socket.

    Args:
        host: A name or an address.
        port: 0: a free one.
        stalled_seconds: See `STALLED_SECONDS`.

    Raises:
        AddressError: The address cannot be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        made = socket.socket(family, kind, protocol)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # what is accepted inherits it: a reader that stalls cannot hold a stream for good
            made.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(stalled_seconds * 1000)
            )
            made.bind(address)
            made.listen(128)
        except OSError:
            made.close()
            raise
    except (OSError, OverflowError, UnicodeError) as error:
        problem = getattr(error, "strerror", None) or str(error)
        shown = f"[{host}]" if ":" in host else host
        raise AddressError(f"{shown}:{port}", problem) from error
    made.setblocking(False)
    return made


def address_url(sock: socket.socket) -> str:
    """Return the address that a browser on this machine opens."""
    host, port = sock.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 not bound here
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


async def serve_http(app: HubApp, sock: socket.socket, stopping: asyncio.Event) -> None:
    """Answer on ``sock`` until ``stopping`` is set, then end within 2 s and close it."""
    config = uvicorn.Config(
        app,
        http=_Connection,
        ws="none",
        loop="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_graceful_shutdown=GRACE_SECONDS,  # type: ignore[arg-type] # seconds, as of wait_for
        h11_max_incomplete_event_size=16 << 10,
    )
    server = _Server(config)
    with _told_to_us():
        serving = asyncio.create_task(server.serve([sock]))
        ended = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait({serving, ended}, return_when=asyncio.FIRST_COMPLETED)
            app.stop()
            server.should_exit = True
            await serving
        finally:
            ended.cancel()
            serving.cancel()
            sock.close()


class _Connection(H11Protocol):
    """Ends when no whole request comes: silence and single letters hold no place for good."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._look_again()

    def _look_again(self) -> None:
        self._looking = self.loop.call_later(IDLE_SECONDS, self._look)

    def _look(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._look_again()
        elif self.transport is not None:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._looking.cancel()
        super().connection_lost(exc)


class _Server(uvicorn.Server):
    """Leaves signals to whoever owns the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Tell(logging.Handler):
    """Hands uvicorn's errors to our log; what strangers send is no news."""

    def emit(self, record: logging.LogRecord) -> None:
        log.error("request.failed", reason=record.getMessage()[:200])


@contextlib.contextmanager
def _told_to_us() -> Iterator[None]:
    theirs, handler = logging.getLogger("uvicorn"), _Tell(logging.ERROR)
    before = theirs.level, theirs.propagate
    theirs.setLevel(logging.ERROR)
    theirs.propagate = False
    theirs.addHandler(handler)
    try:
        yield
    finally:
        theirs.removeHandler(handler)
        theirs.level, theirs.propagate = before
