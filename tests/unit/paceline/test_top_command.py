"""``paceline top`` against a hub that really listens."""

import asyncio
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from paceline import cli
from tests.fixtures.hub_monitor import served

TOKEN = "right-horse-battery-staple"


@contextmanager
def hub(**more):
    """Give the address of a hub that runs in a thread of its own."""
    ready, told = threading.Event(), {}

    async def run():
        async with served(**more) as (_, _, url):
            told.update(url=url, loop=asyncio.get_running_loop(), over=asyncio.Event())
            ready.set()
            await told["over"].wait()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    try:
        assert ready.wait(30)
        yield told["url"]
    finally:
        told["loop"].call_soon_threadsafe(told["over"].set)
        thread.join()


def test_it_prints_once_where_nobody_watches(capsys):
    """For people as a table, with --json the view itself."""
    with hub() as url:
        assert cli.run(["top", "--hub", url]) == 0
        assert "detector  ✘ degraded" in capsys.readouterr().out
        assert cli.run(["top", "detector", "--hub", f"{url}/", "--json"]) == 0
        view = json.loads(capsys.readouterr().out)
        assert [p["pipeline"] for p in view["pipelines"]] == ["detector"]
        assert cli.run(["top", "nope", "--hub", url]) == 6
        assert "nope" in capsys.readouterr().err


def test_it_shows_the_token_of_a_file(tmp_path, capsys):
    """Without it, it is refused and told what to give; the token is printed nowhere."""
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    file.chmod(0o600)
    with hub(token=TOKEN) as url:
        assert cli.run(["top", "--once", "--hub", url]) == 8
        assert "--token-file" in capsys.readouterr().err
        assert cli.run(["top", "--once", "--hub", url, "--token-file", str(file)]) == 0
        assert TOKEN not in "".join(capsys.readouterr())


def test_without_a_hub_it_says_how_to_start_one(capsys):
    """With exit code 6."""
    assert cli.run(["top", "--hub", "http://127.0.0.1:9"]) == 6
    assert "paceline hub serve" in capsys.readouterr().err


@pytest.mark.parametrize(
    "address", ["ftp://x", "hub:8787", "http://", "http://a:b@c", "http://x:99999"]
)
def test_an_address_that_is_none_is_refused(address, capsys):
    """Without a secret that stands in it."""
    assert cli.run(["top", "--hub", address]) == 2
    assert "--hub" in (said := capsys.readouterr().err)
    assert "a:b" not in said


class Stranger(BaseHTTPRequestHandler):
    """Something else that speaks HTTP."""

    answer = (200, "text/html", b"<p>hello</p>")

    def do_GET(self):
        """Answer."""
        status, kind, body = self.answer
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Location", "http://127.0.0.1:9/")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


@pytest.mark.parametrize(
    "answer",
    [
        (200, "text/html", b"<p>hello</p>"),
        (302, "text/html", b""),
        (500, "text/plain", b"no"),
        (200, "text/event-stream", b'data: {"site": 7}\n\n'),
        (200, "text/event-stream", b"data: no json\n\n"),
        (200, "text/event-stream", b": hello\n\n"),
    ],
)
def test_what_is_no_hub_is_told_in_a_sentence(answer, capsys, monkeypatch):
    """Whatever it answers."""
    monkeypatch.setattr(Stranger, "answer", answer)
    with HTTPServer(("127.0.0.1", 0), Stranger) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_address[1]}"
            assert cli.run(["top", "--once", "--hub", url]) == 6
        finally:
            server.shutdown()
            thread.join()
    assert capsys.readouterr().err.startswith(f"error: {url}: no hub answers (")
