"""Pages, their files, their stream, login, and what operators ask: health and metrics."""

import asyncio
import time
from pathlib import Path
from typing import Any, Final

from litestar import MediaType, Request, Response, get, post
from litestar.params import FromPath, FromQuery
from litestar.response import Stream

from fleet.hub.monitor import Monitor
from fleet.hub.views import SiteView
from fleet.hub.web import looking, metrics, statics
from fleet.hub.web.access import Access
from fleet.hub.web.answers import NoAnswerError
from fleet.hub.web.events import RETRY_SECONDS, Streams, event
from fleet.hub.web.extension import Extension
from fleet.hub.web.pages import Pages, static_folder, stream_event

_MAX_TOKEN: Final = 512


def page_routes(
    monitor: Monitor, streams: Streams, pages: Pages, extension: Extension | None
) -> list[Any]:
    """Return the handlers of pages and of the stream that keeps them fresh."""
    drawn: dict[str, tuple[int, int, bytes]] = {}

    def look(path: str) -> tuple[SiteView, str, str]:
        page = looking.page_of(path)
        if page is None:
            raise NoAnswerError(400, "page.unknown", _PAGE)
        view = monitor.site()
        if not looking.is_there(view, *page):
            told = f"{page[0].removesuffix('s')} {page[1]}: this site has none of that name"
            raise NoAnswerError(404, "page.not_found", f"{told}; / shows what there is")
        monitor.watching(looking.devices_on(view, *page))
        return view, *page

    @get("/", media_type=MediaType.HTML, include_in_schema=False, sync_to_thread=False)
    def site_page() -> str:
        view, _, _ = look("/")
        return pages.site_page(view, extension=extension, now_unix_ns=time.time_ns())

    @get(
        "/pipelines/{name:str}",
        media_type=MediaType.HTML,
        include_in_schema=False,
        sync_to_thread=False,
    )
    def pipeline_page(name: FromPath[str]) -> str:
        view, _, _ = look(f"/pipelines/{name}")
        made = pages.pipeline_page(view, name, extension=extension, now_unix_ns=time.time_ns())
        return made if made is not None else pages.error_page(404, "no such pipeline")

    @get(
        "/devices/{name:str}",
        media_type=MediaType.HTML,
        include_in_schema=False,
        sync_to_thread=False,
    )
    def device_page(name: FromPath[str]) -> str:
        view, _, _ = look(f"/devices/{name}")
        made = pages.device_page(view, name, extension=extension, now_unix_ns=time.time_ns())
        return made if made is not None else pages.error_page(404, "no such device")

    @get("/events", include_in_schema=False, sync_to_thread=False)
    def events(page: FromQuery[str] = "/") -> Stream:
        """Return the parts of one page, at each change: see `Pages.fragments`."""
        _, kind, name = look(page)
        check_room(streams)

        def told(view: SiteView) -> bytes:
            """Draw a page once for all who look at it."""
            now = time.time_ns()
            number, then, made = drawn.get(page, (-1, 0, b""))
            if number != view.number or now - then > _FRESH_NS:
                parts = pages.fragments(view, page, extension=extension, now_unix_ns=now)
                made = event(None, stream_event(parts))
                if len(drawn) > _MAX_DRAWN:
                    drawn.clear()
                drawn[page] = (view.number, now, made)
            return made

        return stream(streams.follow(told, lambda view: looking.devices_on(view, kind, name)))

    return [site_page, pipeline_page, device_page, events]


_PAGE: Final = "page: no page has that path; /, /pipelines/NAME and /devices/NAME are pages"
_FRESH_NS: Final = 200_000_000
_MAX_DRAWN: Final = 64


def check_room(streams: Streams) -> None:
    """Refuse one stream too many."""
    if streams.full:
        told = "as many streams are open as the hub keeps up with; come again in a few seconds"
        raise NoAnswerError(503, "http.busy", told, {"Retry-After": str(RETRY_SECONDS)})


def stream(events: Any) -> Stream:
    """Return a stream of server-sent events."""
    return Stream(
        events,
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def static_routes() -> list[Any]:
    """Return the handler of the page's own files."""
    files = statics.read(Path(str(static_folder())))

    @get("/static/{path:path}", include_in_schema=False, sync_to_thread=False)
    def static(
        request: Request[Any, Any, Any], path: FromPath[Path], v: FromQuery[str] = ""
    ) -> Response[bytes]:
        found = files.get(path.as_posix().removeprefix("/"))
        if found is None:
            raise NoAnswerError(404, "http.not_found", "there is no such file")
        tag = f'"{found.digest}"'
        headers = {"Cache-Control": found.caching(v), "ETag": tag}
        if request.headers.get("if-none-match") == tag:
            return Response(b"", status_code=304, headers=headers, media_type=found.media_type)
        return Response(found.data, headers=headers, media_type=found.media_type)

    return [static]


def operator_routes(monitor: Monitor) -> list[Any]:
    """Return the handlers for those who keep the hub running."""
    exposition = metrics.Exposition()
    turn = asyncio.Lock()

    @get("/healthz", media_type=MediaType.TEXT, include_in_schema=False, sync_to_thread=False)
    def healthz() -> str:
        return "ok\n"

    @get("/readyz", media_type=MediaType.TEXT, include_in_schema=False)
    async def readyz() -> Response[str]:
        reason = await monitor.ready()
        told = "ready\n" if reason is None else f"not ready: {reason}\n"
        return Response(told, status_code=200 if reason is None else 503, media_type="text/plain")

    @get("/metrics", include_in_schema=False)
    async def scrape() -> Response[bytes]:
        async with turn:  # one thread at a time, however many ask
            data = await asyncio.to_thread(exposition.text, monitor.site())
        return Response(data, media_type=metrics.CONTENT_TYPE)

    return [healthz, readyz, scrape]


def login_routes(access: Access, pages: Pages) -> list[Any]:
    """Return the handlers of the login page."""

    @get("/login", media_type=MediaType.HTML, include_in_schema=False, sync_to_thread=False)
    def login() -> str:
        return pages.login_page(wrong=False)

    @post("/login", include_in_schema=False, status_code=303)
    async def logged_in(request: Request[Any, Any, Any]) -> Response[str]:
        shown = str((await request.form()).get("token", ""))[:_MAX_TOKEN].strip()
        address = request.client.host if request.client else ""
        if not access.may_try(address, time.monotonic()):
            told = "too many tokens were tried from there; wait a few seconds"
            raise NoAnswerError(429, "access.too_many_tries", told, {"Retry-After": "2"})
        if not access.knows_token(shown):
            return Response(
                pages.login_page(wrong=True), status_code=401, media_type=MediaType.HTML
            )
        access.forgive(address)
        headers = {"Location": "/", "Set-Cookie": access.cookie(time.time())}
        return Response("", status_code=303, headers=headers, media_type=MediaType.HTML)

    return [login, logged_in]
