"""Segments that cannot be fetched, or are not what was ordered."""

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from fleet import artifacts
from fleet.artifact_index import Artifact
from fleet.artifact_server import ArtifactServer
from fleet.control import assignments
from tests.system.chains import Chain
from tests.system.place import PATIENCE_SECONDS, until

DEVICE = "d1"


class StandIn(ThreadingHTTPServer):
    """An origin that does as it is told, and notes what it is asked."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address, files, *, redirect=None, cut_after=None):
        host, port = address.split(":")
        super().__init__((host, int(port)), _Answer)
        self.files = files
        self.redirect = redirect
        self.cut_after = cut_after
        self.asked = []
        self.cut = threading.Event()


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        byte_range = self.headers.get("Range")
        server.asked.append((self.path.rsplit("/", 1)[-1], byte_range))
        if server.redirect:
            self.send_response(302)
            self.send_header("Location", server.redirect)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        data = server.files[self.path.rsplit("/", 1)[-1]]
        begin = int(byte_range.removeprefix("bytes=").rstrip("-")) if byte_range else 0
        self.send_response(206 if byte_range else 200)
        if byte_range:
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - begin))
        self.end_headers()
        if server.cut_after is not None and len(data) > server.cut_after:
            self.wfile.write(data[begin : server.cut_after])
            self.wfile.flush()
            self.close_connection = True
            server.cut.set()
            return
        self.wfile.write(data[begin:])

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serving(address, files=None, **how):
    """Run a stand-in."""
    with StandIn(address, files or {}, **how) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def contents(split):
    """Return every file of a split's segments by digest."""
    files = artifacts.index([split.folder])
    return {digest: artifact.path.read_bytes() for digest, artifact in files.items()}


def ordered(place, split):
    """Start an agent and order the whole model; returns the assignment."""
    (wanted,) = assignments.assignments(split.manifest, "p", 1, (DEVICE,))
    place.start(DEVICE)
    place.order(DEVICE, place.desired(DEVICE, [wanted]))
    return wanted


@pytest.fixture(scope="module")
def heavy(tmp_path_factory):
    """A model whose weights are 2 MiB, in one segment."""
    return Chain(tmp_path_factory.mktemp("heavy"), 1, width=512, layers=2)


def test_an_origin_that_is_away_is_waited_for(place, whole):
    """It stays fetching and says why, and goes on by itself when the origin is there."""
    ordered(place, whole)
    waiting = place.await_phase(DEVICE, "fetching", code="artifact.not_served")

    with artifacts.serve([whole.folder], place.artifacts):
        serving = place.await_phase(DEVICE, "serving")

    assert place.artifacts in waiting.reason.message
    assert serving.reason is None


def test_a_download_is_resumed(place, heavy):
    """The server dies in the middle of a file: the next one is asked only for the rest."""
    files = contents(heavy)
    digest, data = max(files.items(), key=lambda item: len(item[1]))
    with serving(place.artifacts, files, cut_after=1 << 20) as first:
        ordered(place, heavy)
        assert first.cut.wait(PATIENCE_SECONDS)
    told = until(lambda: place.assignment(DEVICE), "its report")
    assert told.phase in {"assigned", "fetching"}

    with serving(place.artifacts, files) as second:
        place.await_phase(DEVICE, "serving")

    (begin,) = [int(r.removeprefix("bytes=").rstrip("-")) for d, r in second.asked if d == digest]
    assert 0 < begin <= 1 << 20
    assert begin < len(data)


def test_a_download_is_resumed_by_the_next_agent(place, heavy):
    """What was there before kill -9 of the agent is kept too."""
    files = contents(heavy)
    digest, _ = max(files.items(), key=lambda item: len(item[1]))
    partial = place.folder / DEVICE / "store" / "partial" / digest
    with serving(place.artifacts, files, cut_after=1 << 20):
        ordered(place, heavy)
        until(lambda: partial.exists() and partial.stat().st_size == 1 << 20, "a mebibyte")
        place.kill(DEVICE)

    with serving(place.artifacts, files) as second:
        place.start(DEVICE)
        place.await_phase(DEVICE, "serving")

    assert [r for d, r in second.asked if d == digest] == [f"bytes={1 << 20}-"]


def test_wrong_bytes_are_refused(place, whole, tmp_path):
    """The digest decides, not the origin: failed with the reason, and nothing is kept."""
    index = artifacts.index([whole.folder])
    digest, artifact = max(index.items(), key=lambda item: item[1].size_bytes)
    wrong = tmp_path / "wrong"
    wrong.write_bytes(bytes(artifact.size_bytes))
    index[digest] = Artifact(wrong, artifact.size_bytes)
    host, port = place.artifacts.split(":")

    with ArtifactServer(index, host, int(port)):
        ordered(place, whole)
        place.await_phase(DEVICE, "failed", code="artifact.digest_mismatch")

    assert place.workers(DEVICE) == set()


def test_a_redirect_is_not_followed(place, whole):
    """An origin cannot send the device elsewhere."""
    with serving("127.0.0.1:0") as elsewhere:
        target = f"http://127.0.0.1:{elsewhere.server_address[1]}/sha256/x"
        with serving(place.artifacts, redirect=target) as server:
            ordered(place, whole)
            told = until(
                lambda: (a := place.assignment(DEVICE)) and a.phase == "failed" and a, "the refusal"
            )

    assert told.reason.code.startswith("artifact.")
    assert "redirect" in told.reason.message
    assert len(server.asked) == 1
    assert elsewhere.asked == []


def test_a_store_that_is_full(place, chain):
    """The order that does not fit fails with the reason; what ran goes on, and says so."""
    segments = chain.manifest.segments
    room = sum(file.size_bytes for file in segments[0].files) + 1000
    place.start(DEVICE, limits={"store_bytes": room})
    pipelines = [assignments.assignments(chain.manifest, n, 1, [DEVICE] * 3) for n in ("p", "q")]
    wanted = [pipelines[0][0], pipelines[1][1]]

    with artifacts.serve([chain.folder], place.artifacts):
        place.order(DEVICE, place.desired(DEVICE, wanted[:1]))
        serving_one = place.await_phase(DEVICE, "serving")
        place.order(DEVICE, place.desired(DEVICE, wanted, revision=2))
        told = until(
            lambda: [a for a in place.reported(DEVICE).assignments if a.phase == "failed"], "it"
        )

    assert [a.pipeline for a in told] == ["q"]
    assert told[0].reason.code.startswith("store.")
    assert serving_one in place.reported(DEVICE).assignments
    assert place.workers(DEVICE) == {serving_one.pid}
