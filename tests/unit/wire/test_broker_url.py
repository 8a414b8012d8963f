"""Broker addresses: understood, or refused without showing a secret."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import broker_url
from wire.broker_url import BrokerUrl
from wire.errors import BadUrlError


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (broker_url.DEFAULT_URL, BrokerUrl("mqtt", "localhost", 1883)),
        ("mqtt://host", BrokerUrl("mqtt", "host", 1883)),
        ("mqtt://host/", BrokerUrl("mqtt", "host", 1883)),
        ("MQTT://Host:1", BrokerUrl("mqtt", "host", 1)),
        ("mqtts://host", BrokerUrl("mqtts", "host", 8883)),
        ("mqtts://host:443?protocol=3.1.1", BrokerUrl("mqtts", "host", 443, "3.1.1")),
        ("mqtt://host?protocol=5", BrokerUrl("mqtt", "host", 1883, "5")),
        ("mqtt://host?protocol=auto", BrokerUrl("mqtt", "host", 1883, "auto")),
        ("mqtt://10.0.0.7:65535", BrokerUrl("mqtt", "10.0.0.7", 65535)),
        ("mqtt://[::1]:1884", BrokerUrl("mqtt", "::1", 1884)),
        ("mqtt://[fe80::1%25eth0]", BrokerUrl("mqtt", "fe80::1%eth0", 1883)),
        ("ws://host/mqtt", BrokerUrl("ws", "host", 80, "auto", "/mqtt")),
        ("wss://host:8084/a/b?protocol=5", BrokerUrl("wss", "host", 8084, "5", "/a/b")),
    ],
)
def test_address_is_taken_apart(url, expected):
    """Scheme, host, port, protocol and path, with the scheme's own port where none is named."""
    assert broker_url.parse(url) == expected


@pytest.mark.parametrize(
    ("scheme", "tls", "websocket"),
    [
        ("mqtt", False, False),
        ("mqtts", True, False),
        ("ws", False, True),
        ("wss", True, True),
    ],
)
def test_scheme_says_how_to_connect(scheme, tls, websocket):
    """Four schemes are two yes-or-no questions."""
    parsed = broker_url.parse(f"{scheme}://host")

    assert (parsed.tls, parsed.websocket) == (tls, websocket)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("broker.localhost", True),
        ("127.0.0.1", True),
        ("127.9.8.7", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("localhost.example", False),
        ("10.0.0.7", False),
        ("[fe80::1%25lo]", False),
        ("my-own-name", False),
    ],
)
def test_this_machine_is_known_by_name_or_address(host, loopback):
    """Nothing is resolved: what a name means may change while the agent runs."""
    assert broker_url.parse(f"mqtt://{host}").loopback is loopback


@pytest.mark.parametrize("url", ["mqtt://host:1883", "mqtts://[::1]:8883", "wss://host:443/mqtt"])
def test_address_is_shown_as_it_is_written(url):
    """For people: scheme, host, port and path, with brackets where they belong."""
    assert str(broker_url.parse(url)) == url


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "unknown scheme"),
        ("localhost", "unknown scheme"),
        ("localhost:1883", "unknown scheme"),
        ("http://host", "unknown scheme"),
        ("tcp://host:1883", "unknown scheme"),
        ("mqtt:", "names no host"),
        ("mqtt://", "names no host"),
        ("mqtt://:1883", "names no host"),
        ("mqtt:///path", "names no host"),
        ("mqtt://a b", "names no host"),
        ("mqtt://a%2Fb", "names no host"),
        ("mqtt://a%00b", "names no host"),
        ("mqtt://host:0", "port 0"),
        ("mqtt://host:65536", "host or port is malformed"),
        ("mqtt://host:-1", "host or port is malformed"),
        ("mqtt://host:x", "host or port is malformed"),
        ("mqtt://[::1", "host or port is malformed"),
        ("mqtt://x[::1]", "host or port is malformed"),
        ("mqtt://[::1]x", "host or port is malformed"),
        ("mqtt://::1", "host or port is malformed"),
        ("mqtt://a..b", "names no host"),
        ("mqtt://.b", "names no host"),
        (f"mqtt://{'a' * 64}", "names no host"),
        ("mqtt://host/topic", "goes on behind"),
        ("mqtt://host#x", "goes on behind"),
        ("ws://host/mqtt#x", "goes on behind"),
        ("mqtt://host?protocol=4", "protocol="),
        ("mqtt://host?protocol=", "protocol="),
        ("mqtt://host?protcol=5", "protocol="),
        ("mqtt://host?tls=1", "protocol="),
    ],
)
def test_address_that_is_not_understood_is_refused(url, problem):
    """Nothing is guessed and nothing is ignored; the sentence shows how to write it."""
    with pytest.raises(BadUrlError, match=problem) as caught:
        broker_url.parse(url)

    assert "write it like mqtt://localhost:1883" in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "mqtt://me:hunter2@host",
        "mqtt://hunter2@host:1883",
        "mqtt://:hunter2@host",
        "me:hunter2@host",
        "http://me:hunter2@host",
        "mqtt://me:hunter2@host:99999",
        "mqtt://me:hunter2@host:hunter2@host",
        "mqtt://me:hun@hunter2@host",
        "mqtt://me:hunter2/x@host",
        "mqtt://me:12#hunter2@host",
        "mqtt://me:12?hunter2@host",
        "mqtt://host:1?password=hunter2",
        "mqtt://host?user=me&password=hunter2",
        "mqtt://me:1@host?password=hunter2",
    ],
)
def test_secret_in_an_address_is_refused_and_never_repeated(url):
    """A password that someone wrote into an address reaches no log."""
    with pytest.raises(BadUrlError) as caught:
        broker_url.parse(url)

    assert "hunter2" not in str(caught.value)


@given(st.text() | st.text(alphabet="mqt:/@?#[]%1a.=").map(lambda text: "mqtt://" + text))
def test_any_text_is_an_address_or_refused(url):
    """Whatever stands in a configuration, the answer is an address or a BadUrlError."""
    try:
        parsed = broker_url.parse(url)
    except BadUrlError:
        return
    assert parsed.host
    assert 1 <= parsed.port <= 65535
