"""How the hub listens."""

import asyncio
import socket

import pytest

from fleet.hub import serve
from fleet.hub.serve import AddressError, address_url, listen
from tests.fixtures.hub_monitor import served
from tests.unit.fleet.hub.web.test_events import read_to_end, settled


def test_a_port_in_use_is_one_sentence_that_names_the_option():
    """Before anything else is started."""
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AddressError, match=rf"127\.0\.0\.1:{port}: .*--listen") as refused:
            listen("127.0.0.1", port)
    assert refused.value.code == "hub.address_in_use"


@pytest.mark.parametrize(
    ("host", "port"), [("no.such.host.invalid", 0), ("192.0.2.1", 0), ("", 99999)]
)
def test_an_address_that_is_not_ours_is_refused_alike(host, port):
    """Names that are not known, addresses of others, ports that are none."""
    with pytest.raises(AddressError):
        listen(host, port)


def test_the_address_is_one_that_a_browser_opens():
    """Also of a hub that listens everywhere, and with brackets where they belong."""
    with listen("0.0.0.0", 0) as everywhere:
        assert address_url(everywhere) == f"http://127.0.0.1:{everywhere.getsockname()[1]}/"
    if socket.has_ipv6:
        with listen("::1", 0) as six:
            assert address_url(six) == f"http://[::1]:{six.getsockname()[1]}/"


def test_a_connection_without_a_whole_request_is_ended(monkeypatch):
    """Silence, or half a request; an open stream is left alone."""
    monkeypatch.setattr(serve, "IDLE_SECONDS", 0.5)

    async def idle(url, sent):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(sent)
        async with asyncio.timeout(30):
            left = await reader.read()
        writer.close()
        return left

    async def run():
        async with served() as (_, app, url):
            reading = asyncio.create_task(read_to_end(url, "/events"))
            await settled(lambda: app.streams.open == 1)
            ended = [await idle(url, sent) for sent in (b"", b"GET / HTTP/1.1\r\nHo")]
            still_open = app.streams.open
        return ended, still_open, await reading

    ended, still_open, _ = asyncio.run(run())
    assert ended == [b"", b""]
    assert still_open == 1


def test_the_server_ends_when_told_however_many_streams_are_open(monkeypatch):
    """In order, before its grace cuts them off, and the port is free again."""
    monkeypatch.setattr(serve, "GRACE_SECONDS", 600.0)

    async def run():
        async with asyncio.timeout(60):
            async with served() as (_, app, url):
                readers = [asyncio.create_task(read_to_end(url, "/events")) for _ in range(8)]
                await settled(lambda: app.streams.open == 8)
            return await asyncio.gather(*readers), int(url.rpartition(":")[2])

    ended, port = asyncio.run(run())
    assert all(ended)
    listen("127.0.0.1", port).close()
