"""What passes the gate: names, origins, and the headers of every answer."""

import socket

import pytest

from fleet.hub.web.gate import CONTENT_POLICY, Hosts, origin_refusal, with_headers


@pytest.mark.parametrize(
    "header",
    [
        "localhost",
        "localhost:8787",
        "LOCALHOST:1",
        "127.0.0.1:8787",
        "127.8.8.8",
        "[::1]:8787",
        "hub.local:9",
        "farm.example",
    ],
)
def test_the_hub_answers_to_its_own_names(header):
    """Loopback's, the one it listens at, and those that were allowed; whatever the port."""
    assert Hosts("hub.local", ["Farm.Example"]).refusal(header) is None


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example:8787",
        "192.168.1.9",
        "user@localhost",
        "localhost/x",
        "localhost:port",
        "[::1",
        "localhost, evil.example",
        "\x00localhost",
    ],
)
def test_another_name_is_refused_with_what_to_do(header):
    """A name that somebody else's DNS points here is refused: that is DNS rebinding."""
    refusal = Hosts("127.0.0.1").refusal(header)

    assert refusal.status == 400
    assert "--allow-host" in refusal.message


def test_a_hub_that_listens_everywhere_is_called_by_any_address_but_no_name():
    """Rebinding needs a name."""
    hosts = Hosts("0.0.0.0")

    assert hosts.refusal("192.168.1.9:8787") is None
    assert hosts.refusal("[fe80::1]:8787") is None
    assert hosts.refusal("hub.local").code == "http.host_refused"


OURS = {"host": "localhost:8787"}


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "same-origin"},
        {"origin": "http://localhost:8787"},
        {"sec-fetch-site": "same-origin", "origin": "http://localhost:8787"},
    ],
)
def test_our_own_page_may_post(headers):
    """As browsers say it."""
    assert origin_refusal("POST", {**OURS, **headers}) is None


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:9999"},
        {"sec-fetch-site": "same-origin", "origin": "http://evil.example"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
    ],
)
def test_nobody_else_may_change_anything(method, headers):
    """Another site, another port, or one that does not say."""
    assert origin_refusal(method, {**OURS, **headers}).status == 403


def test_a_link_from_elsewhere_opens_the_page_and_nothing_there_reads_it():
    """Navigation may come from anywhere; scripts, pictures and streams of other sites may not."""
    away = {**OURS, "sec-fetch-site": "cross-site"}

    assert origin_refusal("GET", {**away, "sec-fetch-mode": "navigate"}) is None
    assert origin_refusal("GET", {**away, "sec-fetch-mode": "no-cors"}).status == 403
    assert origin_refusal("GET", OURS) is None


def test_headers_are_ours_whatever_a_handler_said():
    """A handler may say how long to cache; the rest is not its affair."""
    theirs = [(b"Content-Security-Policy", b"x"), (b"Cache-Control", b"public"), (b"a", b"b")]

    assert (b"cache-control", b"no-store") in with_headers([])
    made = with_headers(theirs)
    assert (b"Cache-Control", b"public") in made
    assert (b"a", b"b") in made
    policies = [value for name, value in made if name.lower() == b"content-security-policy"]
    assert policies == [CONTENT_POLICY.encode()]


def test_hub_that_listens_everywhere_may_be_called_by_its_machines_name():
    """As people on the network would; not where it listens on loopback alone."""
    own = socket.gethostname()

    assert Hosts("0.0.0.0").refusal(f"{own}:8787") is None
    assert Hosts("127.0.0.1").refusal(f"{own}.example:8787") is not None
