"""The server of artifacts, really asked; ports, as they are."""

import http.server
import threading

import pytest

from agent.doctor import clock, network
from agent.doctor.network import Listener
from tests.unit.agent.doctor.machines import configured, severities, the


class Server(http.server.BaseHTTPRequestHandler):
    """Answers everything, with a clock of a year ago."""

    def do_HEAD(self):
        """Answer."""
        self.send_response(404)
        self.end_headers()

    def date_time_string(self, timestamp=None):
        """Return a date that is wrong."""
        return "Tue, 25 Nov 2025 12:00:00 GMT"

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def origin():
    """An HTTP server; its address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def found(folder, origin_url, broker="mqtt://localhost"):
    """Return what is said of an origin."""
    text = f"broker: {{url: '{broker}'}}\nartifacts: {{origin: '{origin_url}'}}"
    config = configured(folder, text).config
    return list(network.origin(config.artifacts, network.remote_broker(config.broker.url)))


def test_an_origin_that_answers_is_well(origin, tmp_path):
    """Whatever it answers."""
    (finding,) = found(tmp_path, origin)

    assert (finding.severity, "HTTP 404" in finding.evidence) == ("ok", True)


def test_an_origin_that_is_not_there_may_come_yet(tmp_path):
    """`paceline deploy` serves while it deploys; but a device must not look for it on itself."""
    gone = "http://127.0.0.1:9"

    assert severities(found(tmp_path, gone)) == {"network.origin": "note"}
    (wrong,) = found(tmp_path, gone, broker="mqtt://broker.local")
    assert (wrong.severity, "artifacts.origin" in wrong.fix) == ("warning", True)


def test_the_clock_is_compared_with_the_origins(origin, tmp_path):
    """By the date that HTTP tells with each answer."""
    subject = configured(tmp_path, f"artifacts: {{origin: '{origin}'}}")

    skew = the(clock.against_origin(subject), "clock.skew")

    assert (skew.severity, f"ahead of {origin}" in skew.evidence) == ("warning", True)


def test_an_open_port_of_ours_is_noted():
    """`paceline deploy` opens one while it serves; other programs' are their own affair."""
    ours = Listener("0.0.0.0", 8788, "paceline", is_ours=True)

    assert severities(network.listening([ours])) == {"network.listening": "note"}
    assert severities(network.listening([])) == {"network.listening": "ok"}
