"""Fetching from a real HTTP server on loopback that misbehaves on demand."""

import contextlib
import hashlib
import os
import random
import shutil
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from structlog.testing import capture_logs

from agent.artifacts.fetch import Fetcher, Patience
from agent.artifacts.fetch_errors import (
    ArtifactMismatchError,
    ArtifactRedirectError,
    ArtifactRefusedError,
    ArtifactSizeError,
    ArtifactUnreachableError,
    FetchCancelledError,
)
from agent.artifacts.origin import Origin
from agent.artifacts.store import Store
from agent.artifacts.store_errors import BadFilesError, StoreFullError
from wire.manifest import File, files_digest

DATA = random.Random(1).randbytes(300_000)


def _file_of(name, data):
    return File(name=name, sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))


WEIGHTS = _file_of("weights.bin", DATA)
GRAPH = _file_of("segment.onnx", b"graph")
FILES = (GRAPH, WEIGHTS)


class Cancel:
    """A cancel that never waits: it notes how long it would have."""

    def __init__(self):
        self.waited_seconds = []
        self.cancelled = False

    def is_set(self):
        """Whether the test has cancelled."""
        return self.cancelled

    def wait(self, timeout):
        """Note the time; return whether the test has cancelled."""
        self.waited_seconds.append(timeout)
        return self.cancelled


class Served(HTTPServer):
    """An origin; `script` holds what to do for the next requests of the weights."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {WEIGHTS.sha256: DATA, GRAPH.sha256: b"graph"}
        self.script = []
        self.requests = []

    def handle_error(self, request, client_address):
        """Stay silent when a client hangs up."""


class Handler(BaseHTTPRequestHandler):
    """Follows the script of its server."""

    def log_message(self, *args):
        """Stay silent."""

    def do_GET(self):
        """Answer as the script says, else well."""
        digest = self.path.removeprefix("/sha256/")
        data = self.server.files.get(digest)
        wanted = self.headers.get("Range")
        self.server.requests.append((self.path, wanted))
        if data is None:
            self.reply(404, b"")
        elif digest == WEIGHTS.sha256 and self.server.script:
            self.server.script.pop(0)(self, data, int(wanted[6:-1]) if wanted else 0)
        else:
            _good(self, data, int(wanted[6:-1]) if wanted else 0)

    def reply(self, status, body, length=None, **headers):
        """Send one answer; ``length`` is what it claims to have."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


def _good(handler, data, offset):
    if offset >= len(data) > 0:
        handler.reply(416, b"")
    elif offset:
        span = f"bytes {offset}-{len(data) - 1}/{len(data)}"
        handler.reply(206, data[offset:], Content_Range=span)
    else:
        handler.reply(200, data)


def _cut_after(count):
    """Promise everything that is left and end after ``count`` bytes."""

    def act(handler, data, offset):
        rest = data[offset:]
        headers = {"Content_Range": f"bytes {offset}-{len(data) - 1}/{len(data)}"} if offset else {}
        handler.reply(206 if offset else 200, rest[:count], length=len(rest), **headers)

    return act


def _status(code, **headers):
    return lambda handler, data, offset: handler.reply(code, b"", **headers)


def _body(data, **headers):
    return lambda handler, _data, offset: handler.reply(200, data, **headers)


def _endless(handler, data, offset):
    """Send more than the file has, without saying how much."""
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(data + b"and more")


def _whole(handler, data, offset):
    """Ignore the range."""
    handler.reply(200, data)


@pytest.fixture
def served():
    """Return an origin that runs until the test ends."""
    server = Served()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def store(tmp_path):
    """Return an empty store."""
    return Store(tmp_path / "store", reserve_bytes=0)


@pytest.fixture
def origin(served):
    """Return the client of the origin."""
    made = Origin(f"http://127.0.0.1:{served.server_port}", read_seconds=60)
    yield made
    made.close()


@pytest.fixture
def cancel():
    """Return a cancel that is not set."""
    return Cancel()


@pytest.fixture
def obtain(store, origin, cancel):
    """Return a function that fetches the segment from the origin into the store."""
    fetcher = Fetcher(store, origin, Patience(attempts=3), random.Random(1))

    def call(files=FILES, **options):
        return fetcher.obtain("01-head", files, cancel=cancel, **options)

    return call


def _contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


EXPECTED = {"weights.bin": DATA, "segment.onnx": b"graph"}


def test_segment_is_fetched_checked_and_kept(obtain, store, served):
    """Each file is asked for once, by its digest; nothing stays in the folder of downloads."""
    folder = obtain()

    assert _contents(folder) == EXPECTED
    assert folder == store.folder(files_digest(FILES))
    assert [path for path, _ in served.requests] == [f"/sha256/{f.sha256}" for f in FILES]
    assert list((store.root / "partial").iterdir()) == []


def test_a_store_that_was_deleted_is_made_again(obtain, store):
    """Somebody tidied up under a running agent: the next fetch finds its folders, private."""
    shutil.rmtree(store.root)

    assert _contents(obtain()) == EXPECTED
    assert store.root.stat().st_mode & 0o777 == 0o700


def test_kept_segment_is_not_fetched_again(obtain, served):
    """A restart costs reading, not downloading."""
    obtain()
    served.requests.clear()

    folder = obtain()

    assert _contents(folder) == EXPECTED
    assert served.requests == []


def test_damaged_kept_segment_is_found_and_fetched_again(obtain, served):
    """A flipped bit on an SD card never reaches a runtime."""
    path = obtain() / "weights.bin"
    path.chmod(0o600)
    path.write_bytes(b"X" + DATA[1:])
    served.requests.clear()

    folder = obtain()

    assert _contents(folder) == EXPECTED
    assert len(served.requests) == 2


def test_download_resumes_after_a_restart(obtain, store, served):
    """What a killed agent had downloaded is hashed, not fetched."""
    (store.root / "partial" / WEIGHTS.sha256).write_bytes(DATA[:100_000])

    folder = obtain()

    assert _contents(folder) == EXPECTED
    assert (f"/sha256/{WEIGHTS.sha256}", "bytes=100000-") in served.requests


def test_download_resumes_after_a_broken_connection(obtain, served):
    """Each new connection asks only for what is missing."""
    served.script = [_cut_after(1000), _cut_after(2000)]

    folder = obtain()

    assert _contents(folder) == EXPECTED
    assert [r for _, r in served.requests] == [None, None, "bytes=1000-", "bytes=3000-"]


def test_files_that_were_complete_are_not_fetched_again(obtain, store, served, cancel):
    """A fetch that ended between two files goes on with the second."""
    served.script = [_status(403)]
    with pytest.raises(ArtifactRefusedError):
        obtain()
    served.requests.clear()

    folder = obtain()

    assert _contents(folder) == EXPECTED
    assert [path for path, _ in served.requests] == [f"/sha256/{WEIGHTS.sha256}"]


def test_server_that_ignores_ranges_sends_all_again(obtain, store, served):
    """A 200 in answer to a range is the whole file from its beginning."""
    (store.root / "partial" / WEIGHTS.sha256).write_bytes(DATA[:1000])
    served.script = [_whole]

    assert _contents(obtain()) == EXPECTED


def test_range_that_cannot_be_satisfied_begins_again(obtain, store, served):
    """A 416 says that what we have is at odds with what the server has."""
    (store.root / "partial" / WEIGHTS.sha256).write_bytes(DATA[:1000])
    served.script = [_status(416)]

    assert _contents(obtain()) == EXPECTED


def test_complete_download_is_only_hashed(obtain, store, served):
    """A crash just before the rename costs no request."""
    (store.root / "partial" / WEIGHTS.sha256).write_bytes(DATA)

    assert _contents(obtain()) == EXPECTED
    assert [path for path, _ in served.requests] == [f"/sha256/{GRAPH.sha256}"]


def test_damaged_partial_is_discarded_and_fetched_once_more(obtain, store):
    """A power cut may leave zeros where bytes were promised."""
    (store.root / "partial" / WEIGHTS.sha256).write_bytes(bytes(1000))

    assert _contents(obtain()) == EXPECTED


def test_wrong_bytes_twice_end_as_mismatch_and_leave_nothing(obtain, store, served):
    """An origin with the wrong file is asked twice, then named; no byte of it stays."""
    wrong = b"X" * len(DATA)
    served.script = [_body(wrong), _body(wrong), _body(DATA)]

    with pytest.raises(ArtifactMismatchError, match="segment 01-head: sha256 is") as caught:
        obtain()

    assert caught.value.code == "artifact.digest_mismatch"
    assert caught.value.expected == WEIGHTS.sha256
    assert (store.root / "partial" / WEIGHTS.sha256).stat().st_size == 0
    assert not store.has(FILES)


@pytest.mark.parametrize(
    "act",
    [
        _body(DATA + b"more"),
        _endless,
        lambda h, d, o: h.reply(206, d, Content_Range="bytes 5-9/10"),
        lambda h, d, o: h.reply(206, d),
    ],
)
def test_wrong_size_twice_is_refused_and_never_written(obtain, store, served, act):
    """More bytes than the manifest says never reach the disk, whatever the headers claim.

    Who runs the site is told where to look: it may be another server.
    """
    served.script = [act, act]

    with pytest.raises(ArtifactSizeError, match="manifest says 300000 bytes") as caught:
        obtain()

    assert "let artifacts.origin lead to where the split is served" in str(caught.value)
    assert "`paceline deploy --serve`" in str(caught.value)
    assert (store.root / "partial" / WEIGHTS.sha256).stat().st_size == 0


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirect_is_refused_by_name_and_not_followed(obtain, served, code):
    """Nobody but the configuration says where a device connects."""
    served.script = [_status(code, Location="http://127.0.0.1:1/evil")]

    with pytest.raises(ArtifactRedirectError, match=r"redirects to 'http://127\.0\.0\.1:1/evil'"):
        obtain()

    assert len(served.requests) == 2


def test_encoding_that_nobody_asked_for_is_refused(obtain, served):
    """Nothing is decompressed on a device: a bomb stays outside."""
    served.script = [_body(DATA, Content_Encoding="gzip")]

    with pytest.raises(ArtifactRefusedError, match="encoding"):
        obtain()


@pytest.mark.parametrize("code", [404, 429, 500, 503])
def test_passing_refusals_are_tried_again(obtain, served, cancel, code):
    """The origin may be starting; each wait is longer than half the one before."""
    served.script = [_status(code), _status(code)]

    assert _contents(obtain()) == EXPECTED
    assert len(cancel.waited_seconds) == 2
    assert 0.25 <= cancel.waited_seconds[0] <= 0.5 <= cancel.waited_seconds[1] <= 1


def test_refusals_without_end_are_named_unreachable(obtain, served):
    """After the allowed attempts the answer is named, with what the server said."""
    served.script = [_status(503)] * 3

    with pytest.raises(ArtifactUnreachableError, match=r"after 3 attempts \(HTTP 503\)") as caught:
        obtain()

    assert caught.value.retryable


def test_an_origin_that_gives_nothing_is_logged_once(obtain, served):
    """With its address and why, when that begins: a wrong artifacts.origin shows in the log."""
    served.script = [_status(503)] * 2

    with capture_logs() as logs:
        assert _contents(obtain()) == EXPECTED

    (told,) = [entry for entry in logs if entry["event"] == "artifact.not_fetched"]
    assert told["log_level"] == "warning"
    assert told["reason"] == "HTTP 503"
    assert told["origin"].startswith("http://127.0.0.1:")


@pytest.mark.parametrize(
    ("code", "expected"), [(503, "artifact.unreachable"), (404, "artifact.not_served")]
)
def test_who_waits_is_told_when_the_origin_begins_to_give_nothing(obtain, served, code, expected):
    """Once, by the first answer: whether nothing there has the file, or it may pass."""
    served.script = [_status(code)] * 2
    told = []

    assert _contents(obtain(hindered=told.append)) == EXPECTED
    assert [error.code for error in told] == [expected]
    assert f"no file after 1 attempt (HTTP {code})" in str(told[0])


def test_progress_renews_patience(obtain, served):
    """A bad network that brings something each time gets there in the end."""
    served.script = [_cut_after(10_000)] * 9

    assert _contents(obtain()) == EXPECTED


def test_origin_that_is_down_is_unreachable_and_keeps_what_there_is(store, cancel):
    """A connection refused is retried, then named; the partial download waits."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        fetcher = Fetcher(store, Origin(url), Patience(attempts=2), random.Random(1))
        (store.root / "partial" / GRAPH.sha256).write_bytes(b"gr")

        with pytest.raises(ArtifactUnreachableError) as caught:
            fetcher.obtain("01-head", FILES, cancel=cancel)

    assert (caught.value.code, caught.value.exit_code) == ("artifact.not_served", 6)
    assert "refused" in str(caught.value)
    assert (store.root / "partial" / GRAPH.sha256).read_bytes() == b"gr"


def test_silent_origin_is_given_up_after_the_read_time(store, cancel):
    """A server that accepts and says nothing does not hold a fetch for ever."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        fetcher = Fetcher(store, Origin(url, read_seconds=0.05), Patience(attempts=2))

        with pytest.raises(ArtifactUnreachableError, match="timed out"):
            fetcher.obtain("01-head", FILES, cancel=cancel)


def test_fetch_is_cancelled_between_blocks_and_keeps_them(obtain, store, served, cancel):
    """A revoked assignment stops its download; the next one takes it up."""

    def cancel_soon(done_bytes, total_bytes):
        cancel.cancelled = done_bytes > GRAPH.size_bytes

    with pytest.raises(FetchCancelledError, match="01-head"):
        obtain(progress=cancel_soon)
    kept_bytes = (store.root / "partial" / WEIGHTS.sha256).stat().st_size
    cancel.cancelled = False

    assert 0 < kept_bytes < len(DATA)
    assert _contents(obtain()) == EXPECTED
    assert served.requests[-1][1] == f"bytes={kept_bytes}-"


def test_fetch_is_cancelled_while_it_waits(obtain, served, cancel):
    """Back-off does not delay the end."""
    served.script = [lambda h, d, o: (setattr(cancel, "cancelled", True), h.reply(503, b""))]

    with pytest.raises(FetchCancelledError):
        obtain()

    assert len(cancel.waited_seconds) == 1


def test_progress_grows_to_the_whole(obtain, served):
    """Whoever watches sees bytes of the whole segment, never going back."""
    served.script = [_cut_after(100_000)]
    seen = []

    obtain(progress=lambda done, total: seen.append((done, total)))

    assert seen == sorted(seen)
    assert seen[-1] == (300_005, 300_005)
    assert len(seen) > 3


def test_empty_file_needs_no_request(obtain, served):
    """The digest of nothing is known."""
    empty = _file_of("weights.bin", b"")

    assert _contents(obtain((empty,))) == {"weights.bin": b""}
    assert served.requests == []


def test_files_of_one_content_are_two_files(obtain):
    """The same bytes under two names are stored twice: nothing is shared."""
    twins = (_file_of("weights.bin", b"graph"), _file_of("segment.onnx", b"graph"))

    folder = obtain(twins)

    assert _contents(folder) == {"weights.bin": b"graph", "segment.onnx": b"graph"}
    assert {path.stat().st_nlink for path in folder.iterdir()} == {1}


def test_full_store_is_told_before_anything_is_fetched(tmp_path, origin, cancel, served):
    """No download begins that cannot end."""
    fetcher = Fetcher(Store(tmp_path / "small", quota_bytes=1000), origin)

    with pytest.raises(StoreFullError):
        fetcher.obtain("01-head", FILES, cancel=cancel)

    assert served.requests == []


def test_bad_files_never_reach_the_origin(obtain, served):
    """A digest that is a path is refused, not asked for."""
    with pytest.raises(BadFilesError):
        obtain((File(name="weights.bin", sha256="../admin", size_bytes=1),))

    assert served.requests == []


def test_two_fetches_of_one_segment_download_it_once(obtain, store, served):
    """The second waits for the first and takes what it brought."""
    folders = []
    held = threading.Event()

    def hold(handler, data, offset):
        held.wait(10)
        _good(handler, data, offset)

    served.script = [hold]
    threads = [threading.Thread(target=lambda: folders.append(obtain())) for _ in range(2)]
    for thread in threads:
        thread.start()
    held.set()
    for thread in threads:
        thread.join(60)

    assert folders == [store.folder(files_digest(FILES))] * 2
    assert len(served.requests) == 2


def test_strange_file_among_the_staged_is_cleared_for_the_next_time(obtain, store):
    """A fetch that can never finish would be retried for ever."""
    staging = store.root / "partial" / f"{files_digest(FILES)}.segment"
    staging.mkdir()
    (staging / "strange").write_text("x")

    with pytest.raises(Exception, match="it holds"):
        obtain()

    assert _contents(obtain()) == EXPECTED


@pytest.mark.parametrize("steps", range(24))
def test_power_cut_anywhere_in_a_fetch_costs_nothing_but_the_fetch(
    obtain, store, origin, cancel, steps, monkeypatch
):
    """Every call that changes the disk may be the last: a segment is whole or not there."""

    class PowerCutError(BaseException):
        pass

    left = [steps]

    def until_cut(call):
        def counted(*args, **kwargs):
            left[0] -= 1
            if left[0] < 0:
                raise PowerCutError
            return call(*args, **kwargs)

        return counted

    with monkeypatch.context() as patched, contextlib.suppress(PowerCutError):
        for name in ("rename", "replace", "mkdir", "unlink", "fchmod", "fsync", "pwrite"):
            patched.setattr(os, name, until_cut(getattr(os, name)))
        obtain()
    was_there = files_digest(FILES) in store.digests()
    started_again = Store(store.root, reserve_bytes=0)
    if was_there:
        started_again.verify(FILES)

    folder = Fetcher(started_again, origin).obtain("01-head", FILES, cancel=cancel)

    assert _contents(folder) == EXPECTED
    assert list((store.root / "partial").iterdir()) == []
