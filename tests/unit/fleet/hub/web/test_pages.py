"""Pages say what the views say, in words that cannot become anything but text."""

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from fleet.hub.views import ProblemView, StageView
from fleet.hub.web import wording
from fleet.hub.web.pages import DEVICES_SHOWN, Pages, stream_event
from tests.fixtures.hub_views import (
    HOSTILE,
    NOW,
    SITES,
    Demo,
    account,
    changed,
    dead_device,
    healthy,
    hostile,
    many_devices,
    pipeline,
    replicas,
    site,
)

PAGES = Pages()
VOID = {"meta", "link", "img", "input", "br"}
SHOWN = ("/", "/pipelines/detector", "/devices/pi-front")


class Reader(HTMLParser):
    """Reads a page: its elements, and whether each is closed where it was opened."""

    def __init__(self):
        super().__init__()
        self.elements, self.open, self.wrong = [], [], []

    def handle_starttag(self, tag, attributes):
        """Note an element."""
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        """Note an element that is closed at once."""
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        """Note what is closed where it was not opened."""
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def with_attribute(self, name):
        """Return the attributes of elements that have this one."""
        return [found for _, found in self.elements if name in found]


def read(html):
    """Return what a page is made of."""
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader


def page(view, *, extension=None):
    """Return the page of ``/``."""
    return PAGES.site_page(view, extension=extension, now_unix_ns=NOW)


def drawings(html):
    """Return all drawings of a page, each parsed as XML."""
    found = re.findall(r"<svg xmlns.*?</svg>", html, re.DOTALL)
    return [ElementTree.fromstring(drawing) for drawing in found]


@pytest.mark.parametrize("name", SITES)
def test_every_page_is_well_formed(name):
    """Each element is closed, ids are unique, and drawings are XML with a title."""
    reader = read(html := page(SITES[name](), extension=Demo()))
    ids = [found["id"] for found in reader.with_attribute("id")]

    assert (reader.wrong, reader.open) == ([], [])
    assert len(ids) == len(set(ids))
    assert all(drawing[0].tag.endswith("title") and drawing[0].text for drawing in drawings(html))


@pytest.mark.parametrize("name", SITES)
def test_nothing_breaks_the_policy(name):
    """No script, style or handler stands in the HTML, and nothing is asked of another host."""
    reader = read(page(SITES[name](), extension=Demo()))

    assert not [tag for tag, _ in reader.elements if tag == "style"]
    assert all("src" in found for tag, found in reader.elements if tag == "script")
    for _, found in reader.elements:
        assert not [key for key in found if key == "style" or key.startswith(("on", "hx-on"))]
        for key in ("src", "href", "action", "hx-post"):
            assert re.match(r"/(?!/)|#main$", found.get(key) or "/")


def test_what_devices_say_is_text():
    """Hostile words on every page are shown as they are, and make no element."""
    view = hostile()
    clean = {tag for tag, _ in read(page(healthy(), extension=Demo())).elements}
    shown = [
        page(view, extension=Demo()),
        PAGES.device_page(view, HOSTILE, extension=None, now_unix_ns=NOW),
        PAGES.pipeline_page(view, HOSTILE, extension=None, now_unix_ns=NOW),
        PAGES.error_page(404, HOSTILE),
    ]

    for html in shown:
        reader = read(html)
        assert "&lt;script&gt;alert(1)" in html
        assert "<hx-" not in html
        assert "{{7*7}}" in html
        assert {tag for tag, _ in reader.elements} <= clean | {"code"}
        assert not [found for tag, found in reader.elements if tag == "img" and found["src"] == "x"]
        assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", html)


def test_a_push_has_one_line_and_nothing_foreign():
    """An event's data has a partial for each fragment, and no device can add one."""
    parts = PAGES.fragments(hostile(), "/", extension=Demo(), now_unix_ns=NOW)
    event = stream_event(parts)

    assert len(event.splitlines()) == 1
    assert re.findall(r"<hx-partial hx-target=\"(#\w+)\"", event) == ["#head", "#alerts", "#main"]
    assert event.count("</hx-partial>") == event.count("<hx-") == 3
    assert "<template" not in event


@pytest.mark.parametrize("path", SHOWN)
def test_fragments_are_what_the_page_holds(path):
    """What a push replaces is there already, letter by letter: nothing moves when it comes."""
    view = healthy()
    whole = {
        "/": page(view),
        "/pipelines/detector": PAGES.pipeline_page(
            view, "detector", extension=None, now_unix_ns=NOW
        ),
        "/devices/pi-front": PAGES.device_page(view, "pi-front", extension=None, now_unix_ns=NOW),
    }[path]

    for key, html in PAGES.fragments(view, path, extension=None, now_unix_ns=NOW).items():
        assert f'id="{key}"' in whole
        assert html in whole


def test_the_equation_is_the_views():
    """Each term is the account's own number, errors by code add up to errors, and so it says."""
    found = {
        one["data-account"]: int(one["data-value"])
        for one in read(page(healthy())).with_attribute("data-account")
    }

    assert found == {
        "submitted": 43_390,
        "results": 43_371,
        "errors": 13,
        "drops": 2,
        "in_flight": 4,
    }
    assert 'data-adds-up="yes"' in page(healthy())


def test_an_account_that_does_not_add_up_says_so():
    """The page does not hide a defect: it computes the sum itself."""
    view = site(pipelines=(pipeline(account=account(submitted=1)),))

    assert 'data-adds-up="no"' in page(view)
    assert "It does not add up" in page(view)


def test_lost_frames_are_called_out():
    """Zero lost is silence; one lost is an alert and a sentence beside the equation."""
    html = page(site(pipelines=(pipeline(account=account(lost=1)),)))

    assert 'data-lost="1"' in html
    assert "1 frame ended by deadline and no stage has said why" in html
    assert "data-lost" not in page(healthy())


@pytest.mark.parametrize("state", ["ok", "busy", "warning", "error", "off"])
def test_every_state_has_a_sign_and_a_word(state):
    """Nothing is told by colour alone: card, link, badge."""
    one = pipeline()
    stages = tuple(changed(stage, state=state, phase="phase-word") for stage in one.stages)
    links = tuple(changed(link, state=state) for link in one.links)
    html = page(site(pipelines=(pipeline(stages=stages, links=links),)))
    sign = wording.ICONS[state]

    assert f">{sign} phase-word</text>" in html
    assert sum(1 for found in read(html).with_attribute("data-stage")) == len(stages)
    if state != "ok":
        assert html.count(f'class="small word middle">{sign} ') == len(links) - 1


def test_a_stage_on_less_than_was_asked_for_is_degraded():
    """In the alert and in the drawing; since when is not known, so nothing says it."""
    why = ProblemView(code="accelerator.lost", message="it was pulled", severity="warning")
    whole = pipeline(state="warning", condition="degraded")
    first = changed(whole.stages[0], state="warning", reason=why)
    html = page(site(pipelines=(changed(whole, stages=(first, *whole.stages[1:])),)))

    assert f"Pipeline detector is degraded: stage 0 on {first.device} is degraded" in html
    assert f"stage 0, {first.segment}, on {first.device}: degraded" in html


def test_a_dead_stage_tells_reason_and_since():
    """Its card holds what happened and how long ago, its links are broken, the top says it."""
    html = page(dead_device())
    cards = {one["data-stage"]: one for one in read(html).with_attribute("data-stage")}

    assert {key: one["data-state"] for key, one in cards.items()} == {
        "0": "ok",
        "1": "error",
        "2": "ok",
    }
    assert "✕ lost" in html
    assert "since 4 s ago" in html
    assert html.count("✕ broken") == 4  # two links, in both drawings
    assert "Pipeline detector is down: stage 1 on jetson-1 is lost" in html


@pytest.mark.parametrize(
    ("limit", "label"),
    [({"stage": 1}, 2), ({"stage": None, "link": ("0", "1")}, 2), ({"stage": None}, 3)],
)
def test_the_bottleneck_is_outlined(limit, label):
    """A stage, a link, or the source (whose narrow drawing has it at both ends)."""
    one = pipeline()
    html = page(site(pipelines=(pipeline(bottleneck=changed(one.bottleneck, **limit)),)))

    assert html.count(">bottleneck</text>") == label
    assert one.bottleneck.text in html


def test_a_link_says_what_carries_it():
    """In both drawings; one that is broken says that alone."""
    html, broken = page(healthy()), page(dead_device())

    assert html.count('class="small word middle">tcp<') == 1
    assert html.count('class="small word end">tcp<') == 1
    assert html.count(">mqtt  ·  12.6 KB") == 1
    assert ">tcp<" not in broken
    assert ">617 KB<" in html
    assert ">617 KB<" not in broken


def test_a_link_forks_to_each_replica():
    """A wire with a tip for each, broken where the device is lost; only one is the bottleneck."""
    (wide,) = [d for d in drawings(page(replicas())) if "wide" in d.get("class")]
    paths = {
        link.get("data-link"): [path.get("class") for path in link if path.tag.endswith("path")]
        for link in wide.iter()
        if link.get("data-link")
    }

    assert sorted(paths["0-1"]) == ["tip", "tip", "tip broken", *["wire"] * 3, "wire broken"]
    assert sorted(paths["1-2"]) == ["tip", *["wire"] * 3, "wire broken"]
    assert "".join(wide.itertext()).count("bottleneck") == 1


def test_the_waterfall_draws_how_sure_it_is():
    """A device on a clock of its own has hatched edges; one on the client's clock has none."""
    (drawing,) = [d for d in drawings(page(healthy())) if d.get("class") == "waterfall"]
    bands = {
        lane.get("data-lane"): sum(1 for one in lane.iter() if one.get("class") == "band")
        for lane in drawing
        if lane.get("data-lane")
    }
    kinds = [one.get("data-span") for one in drawing.iter() if one.get("data-span")]

    assert bands == {"client": 0, "0": 2, "1": 2, "2": 0}
    assert kinds[:4] == ["credit", "hop", "queue", "decode"]
    assert len(kinds) == len(pipeline().waterfall.spans)


def test_many_devices_are_cut_with_a_word():
    """Problems come first, fifty are shown, and the others are counted and linked."""
    html = page(many_devices())
    rows = read(html).with_attribute("data-device")

    assert len(rows) == DEVICES_SHOWN
    assert rows[0]["data-state"] in {"warning", "error"}
    assert "and 10 more" in html
    assert "Not heard since the hub started: shelf-90, shelf-91, shelf-92, shelf-93." in html


def test_buttons_work_without_scripts():
    """An action is a form that posts; a disabled one is a disabled button with its note."""
    forms = [
        found for tag, found in read(page(healthy(), extension=Demo())).elements if tag == "form"
    ]
    waiting = page(healthy(), extension=Demo(version=2))

    assert {(one["method"], one["action"], one["hx-post"]) for one in forms} == {
        ("post", path, path)
        for path in (f"/demo/plug/{d}" for d in ("jetson-1", "pi-back", "pi-front"))
    }
    assert "comes back in 6 s" in waiting
    assert waiting.count(" disabled>") == 1


def test_a_picture_keeps_its_place():
    """It has its size before it is loaded, and another address with each version."""
    html = page(healthy(), extension=Demo(version=7))

    assert 'src="/demo/picture.svg?v=7" width="480" height="360"' in html


def test_a_broker_that_is_away_is_said_with_the_reason():
    """The head and the first line say it."""
    html = page(SITES["empty"]())

    assert 'data-broker="broken"' in html
    assert "Not connected to the broker, so nothing below is news: localhost:1883" in html


def test_what_is_not_known_has_no_page():
    """The caller answers 404; an open page that loses its pipeline says so."""
    view = healthy()

    assert PAGES.pipeline_page(view, "other", extension=None, now_unix_ns=NOW) is None
    assert PAGES.device_page(view, "other", extension=None, now_unix_ns=NOW) is None
    gone = PAGES.fragments(view, "/pipelines/other", extension=None, now_unix_ns=NOW)
    assert "Gone" in gone["main"]


def test_several_pipelines_are_an_overview():
    """Each with a link to its own page."""
    html = page(many_devices())

    assert [one["data-pipeline"] for one in read(html).with_attribute("data-pipeline")] == [
        "sorter",
        "detector",
        "counter",
    ]
    assert 'href="/pipelines/sorter"' in html
    assert "sorter" in PAGES.pipeline_page(
        many_devices(), "sorter", extension=None, now_unix_ns=NOW
    )


def test_login_asks_for_the_token():
    """A form that posts it; a wrong one is said aloud."""
    assert 'name="token" type="password"' in PAGES.login_page(wrong=False)
    assert "not the token" not in PAGES.login_page(wrong=False)
    assert 'role="alert"' in PAGES.login_page(wrong=True)


def test_a_stage_with_another_runtime_says_both():
    """Asked and actual differ: both are shown."""
    one = pipeline()
    stages: tuple[StageView, ...] = (
        changed(one.stages[0], runtime_asked="onnx_gpu"),
        *one.stages[1:],
    )

    assert "onnx_gpu → onnx_cpu" in page(site(pipelines=(pipeline(stages=stages),)))
