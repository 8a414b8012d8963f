"""Login in a real browser: what it sends of its own accord decides whether our own form passes."""

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import async_playwright

from tests.fixtures.hub_monitor import served

CHROMIUM = Path("/usr/bin/chromium")
TOKEN = "right-horse-battery-staple"


@pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's chromium is not installed")
def test_a_person_logs_in_and_the_page_stays_live():
    """The form is taken, the cookie is kept, and the stream with it; the end holds nobody up."""

    async def login():
        async with served(token=TOKEN) as (_, app, url):
            async with async_playwright() as play:
                browser = await play.chromium.launch(
                    executable_path=CHROMIUM, args=["--no-sandbox"]
                )
                page = await browser.new_page()
                await page.goto(f"{url}/")
                await page.fill("input[name=token]", "a wrong one")
                await page.click("button[type=submit]")
                await page.get_by_text("not the token").wait_for()
                await page.fill("input[name=token]", TOKEN)
                await page.click("button[type=submit]")
                await page.get_by_text("detector").first.wait_for()
                await page.wait_for_selector("[data-live=yes]")
                shown = [page.url, await page.evaluate("() => document.cookie")]
                opened = app.streams.open
                await browser.close()
            return shown, opened, url

    shown, opened, url = asyncio.run(login())
    assert shown == [f"{url}/", ""]
    assert opened == 1
