"""The streams: newest state only, bounded in number, over when the reader or the hub goes."""

import asyncio
import json
import socket
from contextlib import asynccontextmanager

import httpx
import msgspec
import pytest

from fleet.hub.views import SiteView
from fleet.hub.web import events
from tests.fixtures.hub_monitor import HandMonitor, device, served, site


@asynccontextmanager
async def stream(url, path):
    """Give an iterator over the blocks of a stream: events and comments."""
    async with (
        httpx.AsyncClient(base_url=url, timeout=60) as client,
        client.stream("GET", path) as answer,
    ):
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        yield blocks(answer)


async def blocks(answer):
    """Yield what stands between empty lines."""
    lines = []
    async for line in answer.aiter_lines():
        if line:
            lines.append(line)
        else:
            yield lines
            lines = []


async def settled(condition):
    """Wait until something is so."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 looks at what others change
            await asyncio.sleep(0.01)


async def data_events(found):
    """Yield the data of each event."""
    async for lines in found:
        data = [line[6:] for line in lines if line.startswith("data: ")]
        if data:
            yield "\n".join(data)


def test_the_state_comes_at_once_and_at_every_change():
    """As JSON that is the view itself, under its name; again after a second without one."""

    async def follow():
        async with (
            served() as (monitor, _, url),
            stream(url, "/api/v1/events") as found,
        ):
            first = await anext(found)
            assert first == [": paceline"]
            name, data = await anext(found)
            assert name == "event: site"
            view = msgspec.json.decode(data[6:], type=SiteView)
            assert view.number == 1
            assert json.loads((await anext(found))[1][6:])["number"] == 1
            monitor.become(devices_known=9)
            async for told in data_events(found):
                return json.loads(told)["devices_known"]
        return None

    assert asyncio.run(follow()) == 9


def test_a_storm_of_changes_is_told_four_times_a_second_and_ends_with_the_last():
    """What came between is left out, and the order is kept."""

    async def storm(monitor):
        for _ in range(200):
            monitor.become()
            await asyncio.sleep(0.005)

    async def follow():
        numbers, seconds = [], []
        began = asyncio.get_running_loop().time()
        async with (
            served() as (monitor, _, url),
            stream(url, "/api/v1/events") as found,
            asyncio.TaskGroup() as group,
        ):
            group.create_task(storm(monitor))
            async for told in data_events(found):
                numbers.append(json.loads(told)["number"])
                seconds.append(asyncio.get_running_loop().time() - began)
                if numbers[-1] == 201:
                    break
        return numbers, seconds

    numbers, seconds = asyncio.run(follow())
    assert numbers == sorted(set(numbers))
    assert all(before <= 4 * passed for before, passed in enumerate(seconds))


def test_one_pipeline_alone_can_be_followed_and_an_unknown_one_is_refused():
    """With its devices, and nobody else's."""
    monitor = HandMonitor()
    monitor.become(devices=(*monitor.view.devices, device("other")))

    async def follow():
        async with served(monitor) as (_, _, url):
            async with stream(url, "/api/v1/events?pipeline=detector") as found:
                async for told in data_events(found):
                    devices = {one["device"] for one in json.loads(told)["devices"]}
                    break
            async with httpx.AsyncClient(base_url=url) as client:
                unknown = await client.get("/api/v1/events?pipeline=nope")
        return devices, unknown.status_code

    assert asyncio.run(follow()) == ({"pi1", "pi2", "pi3"}, 404)


def test_an_open_page_keeps_its_devices_watched(monkeypatch):
    """Again and again while somebody looks; at most fifty of them."""
    monkeypatch.setattr(events, "WATCH_SECONDS", 0.0)
    monitor = HandMonitor(site(tuple(device(f"d{n}") for n in range(80)), ()))

    async def follow():
        async with served(monitor) as (_, _, url), stream(url, "/events?page=/"):
            await settled(lambda: len(monitor.watched) >= 4)

    asyncio.run(follow())
    assert {len(devices) for devices in monitor.watched} == {50}


def test_one_stream_too_many_is_told_to_come_again():
    """With 503 and Retry-After; and there is room again once a reader goes."""

    async def crowd():
        async with served() as (_, app, url), httpx.AsyncClient(base_url=url) as client:
            app.streams._limit = 3
            async with stream(url, "/events"), stream(url, "/events"):
                async with stream(url, "/api/v1/events"):
                    await settled(lambda: app.streams.open == 3)
                    refused = await client.get("/events")
                await settled(lambda: app.streams.open == 2)
                async with stream(url, "/events"):
                    pass
            await settled(lambda: app.streams.open == 0)
        return refused

    refused = asyncio.run(crowd())
    assert refused.status_code == 503
    assert refused.headers["retry-after"]


def test_a_crowd_that_comes_at_once_is_bounded_too():
    """Also those that were all told that there was room."""

    async def knock(url, done):
        async with (
            httpx.AsyncClient(base_url=url, timeout=60) as client,
            client.stream("GET", "/api/v1/events") as answer,
        ):
            if answer.status_code == 200:
                async for line in answer.aiter_lines():
                    if line.startswith("data:"):
                        await done.wait()
                        return True
            return False

    async def crowd():
        async with served() as (_, app, url):
            app.streams._limit = 3
            done = asyncio.Event()
            readers = [asyncio.create_task(knock(url, done)) for _ in range(20)]
            await settled(lambda: sum(reader.done() for reader in readers) == 17)
            done.set()
            return [await reader for reader in readers]

    assert asyncio.run(crowd()).count(True) == 3


def test_a_reader_that_takes_nothing_is_cut_off():
    """The kernel ends its connection, so it holds neither memory nor a stream for good."""
    many = HandMonitor(site(tuple(device(f"d{n}") for n in range(2000)), ()))

    async def stall():
        async with served(many, stalled_seconds=1.0) as (monitor, app, url):
            port = int(url.rpartition(":")[2])
            lazy = socket.socket()
            lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            lazy.connect(("127.0.0.1", port))
            lazy.sendall(b"GET /api/v1/events?devices=2000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            try:
                await settled(lambda: app.streams.open == 1)
                async with asyncio.timeout(60):
                    while app.streams.open:
                        monitor.become()
                        await asyncio.sleep(0.1)
            finally:
                lazy.close()

    asyncio.run(stall())


@pytest.mark.parametrize("path", ["/events", "/api/v1/events"])
def test_open_streams_do_not_hold_up_the_end(path):
    """They end in order, as a stream should: no reader sees a broken connection."""

    async def end():
        async with served() as (_, app, url), asyncio.TaskGroup() as group:
            readers = [group.create_task(read_to_end(url, path)) for _ in range(5)]
            await settled(lambda: app.streams.open == 5)
            app.stop()
        return [reader.result() for reader in readers]

    assert all(asyncio.run(end()))


async def read_to_end(url, path):
    """Return whether a stream came to its end."""
    async with stream(url, path) as found:
        async for _ in found:
            pass
    return True
