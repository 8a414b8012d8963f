"""The artifact server over real sockets on loopback, and as a process of its own."""

import hashlib
import http.client
import json
import signal
import socket
import subprocess
import sys
from contextlib import closing

import pytest

from fleet import artifacts
from fleet.artifact_index import Artifact
from fleet.artifact_server import ArtifactServer, ListenError

DATA = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(DATA).hexdigest()
SECONDS = 60
"""Nothing takes so long unless it is broken."""


@pytest.fixture
def files(tmp_path):
    """Return an index of one file of a megabyte."""
    path = tmp_path / "weights.bin"
    path.write_bytes(DATA)
    return {SHA256: Artifact(path, len(DATA))}


@pytest.fixture
def server(files):
    """Return a server that runs until the test ends."""
    with ArtifactServer(files, "127.0.0.1", 0, connections=2) as running:
        yield running


@pytest.fixture
def ask(server):
    """Return a function that sends one request on a connection that stays open."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=SECONDS)

    def request(path=f"/sha256/{SHA256}", method="GET", **headers):
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response, response.read()

    yield request
    connection.close()


def test_file_is_served_by_its_digest(ask):
    """All of it, with its length and a name that caches can trust."""
    response, body = ask()

    assert (response.status, body) == (200, DATA)
    assert response.headers["ETag"] == f'"{SHA256}"'
    assert response.headers["Accept-Ranges"] == "bytes"


def test_range_is_served(ask):
    """A download that broke off goes on."""
    response, body = ask(Range="bytes=1000000-")

    assert (response.status, body) == (206, DATA[1000000:])
    assert response.headers["Content-Range"] == f"bytes 1000000-{len(DATA) - 1}/{len(DATA)}"


def test_range_beyond_the_end_is_416(ask):
    """And says how long the file is."""
    response, body = ask(Range=f"bytes={len(DATA)}-")

    assert (response.status, body) == (416, b"")
    assert response.headers["Content-Range"] == f"bytes */{len(DATA)}"


def test_head_says_the_same_without_the_bytes(ask):
    """The next request on the connection is understood, so no byte was sent."""
    response, body = ask(method="HEAD")
    again, _ = ask()

    assert (response.status, body) == (200, b"")
    assert response.headers["Content-Length"] == str(len(DATA))
    assert again.status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/sha256/",
        f"/sha256/{'0' * 64}",
        f"/sha256/{SHA256.upper()}",
        f"/sha256/{SHA256}/",
        f"/sha256/{SHA256}?x=1",
        f"/sha256/../sha256/{SHA256}",
        "/../../../../etc/passwd",
        "/weights.bin",
    ],
)
def test_anything_else_is_404(ask, path):
    """No path of a URL ever becomes one of a file."""
    response, body = ask(path)

    assert (response.status, body) == (404, b"")


def test_other_methods_are_refused(ask):
    """There is nothing to write here."""
    response, _ = ask(method="PUT")

    assert response.status == 501


@pytest.mark.parametrize("change", ["shorter", "gone", "folder"])
def test_file_that_changed_is_not_served(ask, files, change):
    """Better a 404 than bytes that are not those of the digest."""
    path = files[SHA256].path
    path.unlink()
    if change == "shorter":
        path.write_bytes(DATA[:-1])
    elif change == "folder":
        path.mkdir()

    response, _ = ask()

    assert response.status == 404


def test_file_added_later_is_served(ask, files, tmp_path):
    """A second deployment needs no second server."""
    (tmp_path / "new").write_bytes(b"new")
    digest = hashlib.sha256(b"new").hexdigest()
    files[digest] = Artifact(tmp_path / "new", 3)

    _, body = ask(f"/sha256/{digest}")

    assert body == b"new"


def test_empty_file_is_served(ask, files, tmp_path):
    """Nothing is something that can be asked for."""
    (tmp_path / "empty").write_bytes(b"")
    files["e" * 64] = Artifact(tmp_path / "empty", 0)

    response, body = ask(f"/sha256/{'e' * 64}")

    assert (response.status, body) == (200, b"")


def test_one_connection_too_many_gets_503_and_a_place_later(server):
    """Threads are bounded; who is refused is told so and may come again."""
    path = f"/sha256/{SHA256}"

    def connected():
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=SECONDS)
        connection.request("GET", path)
        return connection, connection.getresponse()

    held = [connected() for _ in range(2)]
    statuses = [response.status for _, response in held]
    with socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS) as refused:
        answer = refused.recv(1000)
    for connection, response in held:
        response.close()
        connection.close()

    assert statuses == [200, 200]
    assert answer.startswith(b"HTTP/1.1 503 ")


def test_close_ends_open_connections(files):
    """Nothing of the server is left, even where a client waits."""
    server = ArtifactServer(files, "127.0.0.1", 0)
    server.start()
    with socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS) as idle:
        idle.sendall(b"GET /nothing HTTP/1.1\r\n\r\n")
        idle.recv(1000)
        server.close()

        assert idle.recv(1000) == b""


def test_port_in_use_is_named(server, files):
    """The error says which address, and is known before anyone was told the URL."""
    with pytest.raises(ListenError, match=f"127.0.0.1:{server.port}: cannot listen") as caught:
        ArtifactServer(files, "127.0.0.1", server.port)

    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:8788", ("127.0.0.1", 8788)),
        (":0", ("0.0.0.0", 0)),
        ("[::1]:80", ("::1", 80)),
        ("pi.local:1", ("pi.local", 1)),
    ],
)
def test_listen_address_is_read(text, expected):
    """An empty host means every interface."""
    assert artifacts.parse_listen(text) == expected


@pytest.mark.parametrize("text", ["", "8788", "host:", "host:x", "host:70000", "host:-1"])
def test_listen_address_that_is_none_is_refused(text):
    """It is not guessed which part is missing."""
    with pytest.raises(ListenError, match="expected HOST:PORT"):
        artifacts.parse_listen(text)


def test_folder_that_holds_no_model_ends_with_its_exit_code(tmp_path, capsys):
    """One sentence on stderr, nothing on stdout."""
    code = artifacts.main(["--listen", "127.0.0.1:0", str(tmp_path)])

    out, err = capsys.readouterr()
    assert (code, out) == (3, "")
    assert err.startswith(f"artifact.bad_folder: {tmp_path}: no pipeline.json")


def test_own_process_says_when_it_is_ready_and_ends_on_sigterm(tmp_path):
    """The first line of stdout is the address; SIGTERM is a clean end."""
    manifest = {
        "schema": 1,
        "name": "m",
        "model": {"name": "m", "sha256": SHA256, "size_bytes": 1},
        "inputs": [],
        "outputs": [],
        "segments": [
            {
                "name": "00-head",
                "format": "onnx",
                "files": [{"name": "weights.bin", "sha256": SHA256, "size_bytes": len(DATA)}],
                "inputs": [],
                "outputs": [],
                "operators": 1,
                "weight_bytes": 0,
                "peak_bytes": 0,
            }
        ],
        "edges": [
            {"from": "input", "to": "00-head", "tensors": []},
            {"from": "00-head", "to": "output", "tensors": []},
        ],
    }
    (tmp_path / "pipeline.json").write_text(json.dumps(manifest))
    (tmp_path / "segments/00-head").mkdir(parents=True)
    (tmp_path / "segments/00-head/weights.bin").write_bytes(DATA)
    command = [sys.executable, "-m", "fleet.artifacts", "--listen", "127.0.0.1:0", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        ready = json.loads(process.stdout.readline())
        port = int(ready["url"].rpartition(":")[2])
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)) as connection:
            connection.request("GET", f"/sha256/{SHA256}")
            body = connection.getresponse().read()
        process.send_signal(signal.SIGTERM)
        code = process.wait(SECONDS)

    assert (ready["files"], body == DATA, code) == (1, True, 0)
