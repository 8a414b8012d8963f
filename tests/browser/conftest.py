"""A real browser: Debian's chromium, driven by playwright."""

import shutil
from contextlib import contextmanager

import pytest

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser():
    """Return a browser without a window.

    Of one file alone: while it is there, an event loop counts as running in this thread, and
    nobody else's can.
    """
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=found, args=list(FLAGS))
        yield opened
        opened.close()


@pytest.fixture(autouse=True)
def nothing_is_left_running():
    """Let the browser be: it serves all tests of a file, and ends with them."""
    return


class Watched:
    """A page with all that it complained of, and all that it asked for."""

    def __init__(self, page):
        self.page, self.complaints, self.asked = page, [], []
        page.on("console", self.hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))

    def hear(self, message):
        """Note an error or a warning; advice about passwords is neither."""
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)


@pytest.fixture
def opened(browser):
    """Return what opens an address; afterwards nothing may have been complained of."""

    @contextmanager
    def opening(address, *, path="/", live=True, **context):
        inside = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **context})
        try:
            watched = Watched(inside.new_page())
            watched.page.goto(address + path)
            if live:
                watched.page.wait_for_selector('#live[data-live="yes"]')
            yield watched
            assert watched.complaints == []
            assert [url for url in watched.asked if not url.startswith(address)] == []
        finally:
            inside.close()

    return opening
