"""The demo's live page: a hub in a thread of its own, the newest picture, and plugs to pull."""

import asyncio
import io
import logging
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import structlog
from litestar import Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from fleet.hub import server
from fleet.hub.options import HubOptions
from fleet.hub.serve import AddressError
from fleet.hub.web.extension import Action, Picture
from paceline.answers import Answer
from paceline.demo import feed
from paceline.demo.home import Home
from wire import broker_url
from wire.access import Access
from wire.manifest import Manifest
from wire.topics import Site

PORT: Final = 8787
"""Another one when it is taken."""
MAX_BYTES: Final = 64 << 20
PICTURE_SECONDS: Final = 1.0
"""Pictures are not drawn more often."""
LOOKED_SECONDS: Final = 3.0
START_SECONDS: Final = 20.0
PICTURE_PATH: Final = "/demo/picture"
PLUG_PATH: Final = "/demo/plug"
_QUALITY: Final = 80


@dataclass(frozen=True, slots=True)
class _Shown:
    """An answer that can be drawn."""

    manifest: Manifest
    number: int
    answer: Answer


class LivePage:
    """The page; a context manager, and what it shows more (`fleet.hub.web.extension.Extension`).

    Args:
        home: Whose site it shows, and whose plugs are pulled.
    """

    def __init__(self, home: Home) -> None:
        self.url = ""
        """Its address, once it is there."""
        self._home = home
        self._newest: _Shown | None = None
        self._drawn: tuple[_Shown, bytes] | None = None
        self._looked_at = float("-inf")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._problem: BaseException | None = None
        self._told = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="page")

    def show(self, manifest: Manifest, number: int, answer: Answer) -> None:
        """Show page ``number`` with this answer's boxes, where somebody looks; returns at once."""
        self._newest = _Shown(manifest, number, answer)

    def picture(self) -> Picture | None:
        """Return the newest picture that is drawn: so it is there whenever it is asked for."""
        self._looked_at = time.monotonic()
        if self._drawn is None:
            return None
        shown, _ = self._drawn
        return Picture(
            title="Input, with what was found in it",
            caption=f"page {shown.number}, frame {shown.answer.sequence}",
            path=PICTURE_PATH,
            version=shown.answer.sequence,
            width=640,
            height=640,
            alternative="A printed page; a green box around each line of text that was found",
        )

    def actions(self, device: str) -> Sequence[Action]:
        """Return the button that kills a device."""
        if device not in self._home.devices:
            return ()
        dark = self._home.dark_seconds(device)
        note = f"off; back in {dark:.0f} s" if dark else ""
        return (Action("Pull the plug", f"{PLUG_PATH}/{device}", enabled=not dark, note=note),)

    def handlers(self) -> Sequence[Any]:
        """Return what answers for the picture and the buttons."""

        @get(PICTURE_PATH, include_in_schema=False)
        async def picture() -> Response[bytes]:
            if self._drawn is None:
                raise NotFoundException("no answer has come yet")
            return Response(self._drawn[1], media_type="image/webp")

        @post(f"{PLUG_PATH}/{{device:str}}", status_code=303, include_in_schema=False)
        async def plug(device: FromPath[str]) -> Response[None]:
            if device not in self._home.devices:
                raise NotFoundException(f"there is no device {device:.60}")
            await asyncio.to_thread(self._home.pull_the_plug, device)
            return Response(None, status_code=303, headers={"Location": "/"})

        return [picture, plug]

    def __enter__(self) -> Self:
        # the terminal is the demo's; what the hub has to say is on its page
        structlog.configure(
            wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
            logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        )
        self._thread.start()
        self._told.wait(START_SECONDS)
        if self._problem is not None:
            raise self._problem
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(START_SECONDS)

    async def _draw(self) -> None:
        """Draw the newest answer again and again, while somebody looks."""
        while True:
            await asyncio.sleep(PICTURE_SECONDS)
            newest, looked = self._newest, time.monotonic() - self._looked_at < LOOKED_SECONDS
            if newest is not None and looked and (not self._drawn or self._drawn[0] is not newest):
                self._drawn = newest, await asyncio.to_thread(_webp, newest)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:  # noqa: BLE001 whoever waits for the page raises it
            self._problem = error
        finally:
            self._told.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        drawing = asyncio.create_task(self._draw())
        try:
            await self._serve_somewhere()
        finally:
            drawing.cancel()

    async def _serve_somewhere(self) -> None:
        for port in (PORT, 0):
            options = HubOptions(
                topics=Site(),
                broker=broker_url.parse(self._home.broker.url),
                access=Access(),
                listen_port=port,
                database=f"sqlite:///{self._home.folder / 'hub.db'}",
                max_bytes=MAX_BYTES,
            )
            try:
                await server.serve(options, self._stopping, ready=self._ready, extension=self)
            except AddressError:
                if not port:
                    raise
            else:
                return

    def _ready(self, url: str) -> None:
        self.url = url
        self._told.set()


def _webp(shown: _Shown) -> bytes:
    picture = feed.draw_answer(shown.manifest, shown.number, shown.answer.tensors)
    data = io.BytesIO()
    picture.save(data, "WEBP", quality=_QUALITY, method=2)
    return data.getvalue()
