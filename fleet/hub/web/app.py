"""The hub's HTTP application: Litestar, behind the gate that everything passes."""

import time
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any, Final

import msgspec
from litestar import Litestar
from litestar.enums import ScopeType
from litestar.openapi import OpenAPIConfig
from litestar.types import Message, Receive, Scope, Send

from fleet.hub import views
from fleet.hub.monitor import Monitor
from fleet.hub.web import answers, api, openapi, routes
from fleet.hub.web.access import Access
from fleet.hub.web.answers import Problem
from fleet.hub.web.events import Streams
from fleet.hub.web.extension import Extension
from fleet.hub.web.gate import Hosts, Refusal, origin_refusal, with_headers
from fleet.hub.web.pages import Pages

OPEN: Final = frozenset({"/healthz", "/login"})
"""Paths that need no token; nor do those below ``/static/``."""
MAX_BODY_BYTES: Final = 64 << 10


def make_app(
    monitor: Monitor,
    *,
    site: str,
    token: str | None,
    extension: Extension | None = None,
    listen_host: str = "127.0.0.1",
    allowed_hosts: Iterable[str] = (),
) -> "HubApp":
    """Return the application.

    Args:
        monitor: What it shows.
        site: The site's id; the name of its cookie.
        token: What a caller must know; None: nothing.
        extension: What the page shows more.
        listen_host: Where it listens, which is a name that it may be called by.
        allowed_hosts: More such names.
    """
    streams, pages = Streams(monitor), Pages()
    access = Access(token, f"paceline_{site}")
    document = openapi.Document(views, answers, api)
    litestar = Litestar(
        [
            *routes.page_routes(monitor, streams, pages, extension),
            *routes.static_routes(),
            *routes.operator_routes(monitor),
            *(routes.login_routes(access, pages) if token is not None else ()),
            *api.api_routes(monitor, streams),
            *(extension.handlers() if extension is not None else ()),
        ],
        exception_handlers={Exception: answers.handler(pages.error_page)},
        logging_config=None,
        request_max_body_size=MAX_BODY_BYTES,
        openapi_config=OpenAPIConfig(
            title="Paceline hub",
            version=version("paceline"),
            description=openapi.DESCRIPTION,
            path=openapi.PATH,
            render_plugins=[document],
            use_handler_docstrings=True,
            security=[{"token": []}] if token is not None else None,
            components=openapi.components(),
        ),
    )
    return HubApp(litestar, streams, access, Hosts(listen_host, allowed_hosts), pages)


class HubApp:
    """An ASGI application: the gate, and behind it Litestar."""

    def __init__(
        self, litestar: Litestar, streams: Streams, access: Access, hosts: Hosts, pages: Pages
    ) -> None:
        self.litestar = litestar
        self.streams = streams
        self._access = access
        self._hosts = hosts
        self._pages = pages

    def stop(self) -> None:
        """End all streams, so that the server can end."""
        self.streams.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != ScopeType.HTTP:
            await self.litestar(scope, receive, send)
            return
        path, method = scope["path"], str(scope["method"])
        headers = {name.decode("latin-1"): v.decode("latin-1") for name, v in scope["headers"]}
        shielded = _Shield(send, self._pages)
        refusal = self._hosts.refusal(headers.get("host")) or origin_refusal(method, headers)
        if refusal is None and not (path in OPEN or path.startswith("/static/")):
            refusal = self._unknown(headers, _address(scope))
        if refusal is not None:
            await shielded.refuse(path, refusal)
        elif method == "HEAD" and "events" not in path:
            as_get: Any = {**scope, "method": "GET"}  # the server leaves the body out
            await self.litestar(as_get, receive, shielded)
        else:
            await self.litestar(scope, receive, shielded)

    def _unknown(self, headers: dict[str, str], address: str) -> Refusal | None:
        """Return why a caller must not look; None: it may."""
        access = self._access
        if access.token is None or access.knows_cookie(headers.get("cookie", ""), time.time()):
            return None
        scheme, _, shown = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not shown:
            return Refusal(401, "access.token_needed", _NEEDED)
        if not access.may_try(address, time.monotonic()):
            return Refusal(429, "access.too_many_tries", _TOO_MANY)
        if access.knows_token(shown.strip()):
            access.forgive(address)
            return None
        return Refusal(401, "access.token_wrong", _WRONG)


_NEEDED: Final = (
    "this hub asks for its token: Authorization: Bearer TOKEN, or the page /login in a browser"
)
_WRONG: Final = "that is not this hub's token; it was printed when the hub started"
_TOO_MANY: Final = "too many tokens were tried from there; wait a few seconds"


class _Shield:
    """A ``send`` that puts our headers on every answer."""

    def __init__(self, send: Send, pages: Pages) -> None:
        self._send = send
        self._pages = pages

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = with_headers(message.get("headers", ()))
        await self._send(message)

    async def refuse(self, path: str, refusal: Refusal) -> None:
        """Answer what the gate does not let pass."""
        kind = b"text/html; charset=utf-8"
        if answers.is_for_programs(path):
            problem = Problem(status=refusal.status, code=refusal.code, message=refusal.message)
            body, kind = msgspec.json.encode(problem), b"application/json"
        elif refusal.code == "access.token_needed":
            body = self._pages.login_page(wrong=False).encode()
        else:
            body = self._pages.error_page(refusal.status, refusal.message).encode()
        headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
        if refusal.status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        if refusal.status == 429:
            headers.append((b"retry-after", b"2"))
        start: Any = {"type": "http.response.start", "status": refusal.status, "headers": headers}
        await self(start)
        await self._send({"type": "http.response.body", "body": body, "more_body": False})


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""
