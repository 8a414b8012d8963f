"""The hub's HTTP side, as clients see it, over a hand-made site."""

import asyncio

import httpx
import pytest
from litestar import post

from fleet.hub.web.app import make_app
from fleet.hub.web.gate import CONTENT_POLICY
from tests.fixtures.hub_monitor import HandMonitor, device, site

STATIC = "hub.css"
URL = "http://127.0.0.1:8787"
TOKEN = "right-horse-battery-staple"


def client_of(monitor=None, **more):
    """Return a client of an application, without a server between."""
    app = make_app(monitor or HandMonitor(), site="farm", **{"token": None, **more})
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL)


def asked(*paths, headers=None, method="GET", **more):
    """Return the answers to requests of one hub, one after the other."""

    async def ask():
        async with client_of(**more) as client:
            return [await client.request(method, path, headers=headers) for path in paths]

    return asyncio.run(ask())


def test_every_answer_has_the_headers_that_keep_a_page_to_itself():
    """Pages, data, files, errors and refusals alike."""
    paths = ("/", "/api/v1/site", f"/static/{STATIC}", "/nope", "/api/v1/devices?no=1", "/metrics")

    for answer in asked(*paths):
        assert answer.headers["content-security-policy"] == CONTENT_POLICY, answer.url
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        is_file = answer.url.path.startswith("/static")
        assert answer.headers["cache-control"] == ("no-cache" if is_file else "no-store")
    (refused,) = asked("/", headers={"host": "evil.example"})
    assert refused.status_code == 400
    assert refused.headers["content-security-policy"] == CONTENT_POLICY


def test_errors_are_json_to_programs_and_a_page_to_people():
    """A code and a sentence; never a trace."""
    api, page = asked("/api/v1/devices/nobody", "/devices/nobody")

    assert api.status_code == page.status_code == 404
    assert api.json()["code"] == "device.unknown"
    assert "/api/v1/devices" in api.json()["message"]
    assert page.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/api/v1/devices?state=bad", "state: "),
        ("/api/v1/devices?limit=0", "limit: "),
        ("/api/v1/devices?limit=x", "limit: "),
        ("/api/v1/devices?lmit=1", "lmit: no parameter"),
        ("/api/v1/pipelines/detector/series?seconds=nan", "seconds: "),
        ("/api/v1/pipelines/detector/series?seconds=1e9", "seconds: "),
        ("/api/v1/site?devices=-1", "devices: "),
        ("/events?page=/../etc", "page: "),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name(path, said):
    """With 400 and a sentence that begins with the parameter."""
    (answer,) = asked(path)

    assert answer.status_code == 400
    assert answer.json()["message"].startswith(said)


def test_what_is_no_number_is_null():
    """NaN is no JSON."""
    one, series = asked("/api/v1/devices/pi2", "/api/v1/devices/pi2/series")

    assert one.json()["temperature_celsius"] is None
    assert series.json()["readings"] == {"temperature_celsius": [None]}


def test_devices_come_page_by_page_and_each_once():
    """By name, whatever state they change to meanwhile."""
    names = [f"d{number:03}" for number in range(25)]
    many = tuple(device(n, state="error" if n.endswith("7") else "ok") for n in reversed(names))

    async def walk():
        found, after = [], ""
        async with client_of(HandMonitor(site(many))) as client:
            while after is not None:
                got = (await client.get(f"/api/v1/devices?limit=10&after={after}")).json()
                assert got["total"] == 25
                found += [one["device"] for one in got["devices"]]
                after = got["next"]
            broken = (await client.get("/api/v1/devices?state=error")).json()
        return found, [one["device"] for one in broken["devices"]]

    assert asyncio.run(walk()) == (names, ["d007", "d017"])


def test_ready_says_why_not():
    """503 with the reason while broker or database are away; alive all the same."""
    monitor = HandMonitor()
    monitor.reason = "the broker does not answer"
    ready, alive = asked("/readyz", "/healthz", monitor=monitor)

    assert (ready.status_code, alive.status_code) == (503, 200)
    assert "the broker does not answer" in ready.text


def test_a_page_makes_its_devices_send_every_second():
    """Those that it shows, and nobody else's."""
    monitor = HandMonitor()
    asked("/devices/pi3", "/pipelines/detector", "/api/v1/site", monitor=monitor)

    assert monitor.watched == [["pi3"], ["pi1", "pi2", "pi3"]]


def test_files_are_kept_for_a_year_by_their_content_and_nothing_else_is_served():
    """A digest in the address; without it a browser asks again, and is told: the same."""
    name = STATIC
    (plain,) = asked(f"/static/{name}")
    digest = plain.headers["etag"].strip('"')
    named, other = asked(f"/static/{name}?v={digest[:10]}", f"/static/{name}?v=0000000000")
    (again,) = asked(f"/static/{name}", headers={"if-none-match": plain.headers["etag"]})

    assert "immutable" in named.headers["cache-control"]
    assert other.headers["cache-control"] == "no-cache"
    assert again.status_code == 304
    lost = asked("/static/", "/static/../app.py", "/static/%2e%2e/app.py", "/static/nope.css")
    assert {answer.status_code for answer in lost} == {404}


@pytest.mark.parametrize("path", ["/", "/api/v1/site", "/metrics", "/readyz", "/events"])
def test_with_a_token_nothing_is_told_to_strangers(path):
    """Only that the process lives; the same with a wrong token, and never the token itself."""
    none, alive = asked(path, "/healthz", token=TOKEN)
    (wrong,) = asked(path, token=TOKEN, headers={"authorization": "Bearer wrong"})

    assert (none.status_code, wrong.status_code, alive.status_code) == (401, 401, 200)
    assert none.headers["www-authenticate"] == "Bearer"
    assert TOKEN not in none.text + wrong.text
    assert "pi1" not in none.text + wrong.text


def test_a_program_shows_the_token_as_a_bearer():
    """As often as it likes: right ones are no guesses."""
    right = {"authorization": f"Bearer {TOKEN}"}
    answers = asked(*["/api/v1/site", "/metrics", "/"] * 5, token=TOKEN, headers=right)

    assert {answer.status_code for answer in answers} == {200}


def test_guesses_are_limited():
    """After a few the answer is: later, whatever is shown."""
    paths = ["/api/v1/site"] * 8
    answers = asked(*paths, token=TOKEN, headers={"authorization": "Bearer guess"})

    assert [answer.status_code for answer in answers][-1] == 429
    assert answers[-1].headers["retry-after"]


def test_a_person_types_the_token_once():
    """Login sets a cookie that holds no token; wrong ones are told; another site cannot post."""

    async def login():
        async with client_of(token=TOKEN) as client:
            client.headers["origin"] = URL
            wrong = await client.post("/login", data={"token": "guess"})
            right = await client.post("/login", data={"token": f" {TOKEN}\n"})
            page = await client.get("/")
            client.headers["origin"] = "http://evil.example"
            forged = await client.post("/login", data={"token": TOKEN})
        return wrong, right, page, forged

    wrong, right, page, forged = asyncio.run(login())
    assert (wrong.status_code, right.status_code, page.status_code) == (401, 303, 200)
    assert "HttpOnly" in right.headers["set-cookie"]
    assert TOKEN not in right.headers["set-cookie"]
    assert forged.status_code == 403


class OneButton:
    """An extension with something that is done."""

    def __init__(self):
        self.done = 0

    def picture(self):
        """Return none."""
        return

    def actions(self, device):
        """Return none."""
        return ()

    def handlers(self):
        """Return what does it."""

        @post("/demo/act", status_code=204, sync_to_thread=False)
        def act() -> None:
            self.done += 1

        return [act]


def test_an_extension_is_behind_the_same_gate():
    """Its button works from our page alone, and a GET does nothing."""
    button = OneButton()

    async def push():
        async with client_of(extension=button) as client:
            forged = await client.post("/demo/act", headers={"origin": "http://evil.example"})
            got = await client.get("/demo/act")
            assert button.done == 0
            ours = await client.post("/demo/act", headers={"sec-fetch-site": "same-origin"})
        return [answer.status_code for answer in (forged, got, ours)]

    assert asyncio.run(push()) == [403, 405, 204]
    assert button.done == 1


def test_head_is_get_without_a_body():
    """For those who only look whether it is there."""
    (answer,) = asked("/api/v1/site", method="HEAD")

    assert answer.status_code == 200
    assert answer.content == b""
