"""The pages in a real browser, under their policy: what axe, the keyboard and the console say."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.fixtures.hub_server import Shown, serving
from tests.fixtures.hub_views import (
    HOSTILE,
    SITES,
    Demo,
    account,
    dead_device,
    healthy,
    pipeline,
    site,
)
from tests.system.place import until

LOOKS = (("light", (1440, 900)), ("dark", (800, 900)), ("light", (360, 800)))


def violations(page):
    """Return what axe finds: rule and elements."""
    found = Axe().run(page).response["violations"]
    return [(one["id"], [node["target"] for node in one["nodes"]]) for one in found]


@pytest.mark.parametrize("name", SITES)
def test_axe_finds_nothing(opened, name):
    """Each fixture, wide and narrow, light and dark, with every detail open."""
    with serving(Shown(SITES[name](), Demo())) as address, opened(address) as watched:
        page = watched.page
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        for scheme, size in LOOKS:
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": size[0], "height": size[1]})

            assert violations(page) == []
            assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


@pytest.mark.parametrize("path", ["/devices/jetson-1", "/login", "/nowhere"])
def test_axe_finds_nothing_on_other_pages(opened, path):
    """The page of a device, the one that asks for a token, and the one of an error."""
    live = path.startswith("/devices")
    with (
        serving(Shown(dead_device(), Demo())) as address,
        opened(address, path=path, live=live) as watched,
    ):
        watched.complaints = [c for c in watched.complaints if "404" not in c]

        assert violations(watched.page) == []


def test_values_change_with_a_push(opened):
    """A push changes numbers, turns a stage red with its reason, and back."""
    shown = Shown(healthy())
    with serving(shown) as address, opened(address) as watched:
        stage = watched.page.locator('[data-stage="1"]')
        shown.show(dead_device())
        watched.page.wait_for_selector('[data-stage="1"][data-state="error"]')
        card = stage.locator(".card").evaluate("card => getComputedStyle(card).stroke")

        assert "since 4 s ago" in stage.text_content()
        assert card == "rgb(184, 37, 37)"
        until(lambda: watched.page.title().startswith("✕"), "the title")
        shown.show(healthy())
        watched.page.wait_for_selector('[data-stage="1"][data-state="ok"]')


def test_a_push_keeps_focus_selection_and_open_details(opened):
    """What a person does is not undone by news, even when rows change places."""
    shown = Shown(healthy(), Demo())
    with serving(shown) as address, opened(address) as watched:
        page = watched.page
        page.locator("#graph-table summary").click()
        page.evaluate("getSelection().selectAllChildren(document.querySelector('h1'))")
        page.locator("#action-pi-front-1").focus()
        page.evaluate("window.kept = document.activeElement")
        view = healthy()
        moved = site(
            devices=view.devices[::-1],
            pipelines=(pipeline(account=account(submitted=43_391, in_flight=5)),),
        )
        shown.show(moved)
        page.wait_for_selector('[data-account="in_flight"][data-value="5"]')

        assert (
            page.evaluate("document.activeElement === window.kept && kept.id")
            == "action-pi-front-1"
        )
        assert page.evaluate("getSelection().toString().trim()").startswith("detector")
        assert page.evaluate("document.querySelector('#graph-table').open")


def test_a_page_follows_its_site(opened):
    """From nothing to one pipeline and to none again, with charts where they belong."""
    shown = Shown(SITES["empty"]())
    with serving(shown) as address, opened(address) as watched:
        page = watched.page
        shown.show(healthy())
        page.wait_for_selector("#charts canvas")
        shown.show(SITES["empty"]())
        page.wait_for_selector("#charts", state="detached")


def test_charts_are_drawn_and_said(opened):
    """Two canvases, and the same in words; the scheme's switch draws them anew."""
    with serving(Shown(healthy())) as address, opened(address, color_scheme="light") as watched:
        page = watched.page
        page.wait_for_selector('[data-chart="rate"] canvas')
        page.get_by_role("button", name="Use dark colours").press("Enter")
        page.get_by_role("button", name="Use light colours").wait_for()

        assert page.locator("#charts canvas").count() == 2
        words = page.locator('[data-chart="latency"] .said').text_content()
        assert "p50: now" in words
        assert "highest 144.0 ms" in words


def test_buttons_post_once(opened):
    """Pressed with the keyboard: one request by htmx, and the page stays where it is."""
    shown = Shown(healthy(), Demo())
    with serving(shown) as address, opened(address) as watched:
        with watched.page.expect_response("**/demo/plug/pi-front"):
            watched.page.locator("#action-pi-front-1").press("Enter")

        assert shown.posted == [("/demo/plug/pi-front", "true")]


def test_everything_is_reachable_by_keyboard(opened):
    """The first Tab is the skip link, the last one before the footer's links a button."""
    with serving(Shown(healthy(), Demo())) as address, opened(address) as watched:
        page, seen = watched.page, []
        for _ in range(40):
            page.keyboard.press("Tab")
            seen.append(
                page.evaluate("document.activeElement.id || document.activeElement.tagName")
            )
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none" or seen[-1] == "BODY", seen

        assert page.evaluate("document.querySelector('.skip').textContent") == "Skip to the content"
        assert {"theme", "graph-scroll", "action-jetson-1-1", "action-pi-back-1"} <= set(seen)


def test_it_is_whole_without_scripts(opened):
    """Every value is made by the hub; the button is a form; the page says that it loads anew."""
    shown = Shown(healthy(), Demo())
    with (
        serving(shown) as address,
        opened(address, live=False, java_script_enabled=False) as watched,
    ):
        page = watched.page
        text = page.locator("body").inner_text()
        with page.expect_response("**/demo/plug/pi-front"):
            page.locator("#action-pi-front-1").click()

        assert "loads anew every 5 seconds" in text
        assert "24.1" in text
        assert shown.posted == [("/demo/plug/pi-front", None)]


def test_hostile_words_do_nothing(opened):
    """They are there to be read; no dialog opens, and nothing is loaded for them."""
    with serving(Shown(SITES["hostile"](), Demo())) as address, opened(address) as watched:
        watched.page.on("dialog", lambda dialog: watched.complaints.append(dialog.message))
        watched.page.wait_for_timeout(1500)

        assert HOSTILE in watched.page.locator("h1").inner_text()
        assert not [url for url in watched.asked if url.endswith("/x")]


def test_a_hub_that_is_away_is_said(opened):
    """No word for some seconds: the page says that it is not live, and comes back by itself."""
    shown = Shown(healthy())
    with serving(shown) as address:
        port = int(address.rsplit(":", 1)[1])
        context = opened(address)
        watched = context.__enter__()
    watched.page.wait_for_selector('#live[data-live="no"]', timeout=60_000)
    shown.closing = False
    with serving(shown, port):
        watched.page.wait_for_selector('#live[data-live="yes"]', timeout=60_000)
        watched.complaints.clear()  # of the hub that was away
        context.__exit__(None, None, None)


def test_a_page_that_was_refused_its_stream_asks_again(opened):
    """As many streams as the hub keeps up with were open: some seconds later there is room."""
    shown = Shown(healthy())
    shown.refusals = 2
    with serving(shown) as address, opened(address) as watched:
        watched.page.wait_for_selector("#charts canvas")

        assert shown.refusals == 0
        watched.complaints = [c for c in watched.complaints if "503" not in c]
