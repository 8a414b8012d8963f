"""What the doctor says of real brokers."""

import contextlib
import os
import shutil
import socket
import subprocess
import threading

import pytest

from agent.doctor import broker as broker_checks
from agent.doctor import broker_packets, broker_work
from paceline.demo import broker_kinds
from paceline.demo.processes import Child
from tests.system.conftest import missing
from tests.system.place import PATIENCE_SECONDS, Ear, free_port, until
from tests.unit.agent.doctor.machines import configured, severities, the
from wire import broker_url

PASSWORD = "open sesame"


@pytest.fixture
def closing():
    """A port that takes connections and closes them."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    server.accept()[0].close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.fixture
def silent():
    """A port that takes connections and says nothing; a list of those it took."""
    taken = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    taken.append(server.accept()[0])

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1], taken
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
        for connection in taken:
            connection.close()


def listens(url):
    """Whether somebody takes connections there."""
    with contextlib.suppress(OSError), socket.create_connection((url.host, url.port)):
        return True


class Mosquitto:
    """A mosquitto with a configuration of the test's."""

    def __init__(self, folder, *lines, port=None, files=None):
        if reason := missing(broker_kinds.MOSQUITTO):
            pytest.skip(reason)
        self.port = port or free_port()
        self.url = f"mqtt://127.0.0.1:{self.port}"
        for name, text in (files or {}).items():
            (folder / name).write_text(text)
        users = ["user root"] if os.geteuid() == 0 else []
        listener = (
            []
            if any(line.startswith("listener") for line in lines)
            else [f"listener {self.port} 127.0.0.1"]
        )
        config = folder / "mosquitto.conf"
        config.write_text("\n".join([*listener, *lines, *users]) + "\n")
        (*program, flag) = broker_kinds.find(broker_kinds.MOSQUITTO).program
        self._log = folder / "mosquitto.log"
        self._child = Child([*program, flag, str(config)], log=self._log)

    def __enter__(self):
        url = broker_url.parse(self.url)
        until(lambda: listens(url))
        return self

    def __exit__(self, *_):
        self._child.stop()


def examined(folder, url, *groups, broker=""):
    """Return what groups find in an agent that is configured so."""
    subject = configured(folder, f"device: d1\nbroker: {{url: '{url}'{broker}}}\n")
    return [finding for group in groups for finding in group.findings(subject)]


@pytest.mark.on_each_broker
@pytest.mark.parametrize("dialect", ["5", "3.1.1"])
def test_a_broker_that_serves_us_is_well(broker, tmp_path, dialect):
    """Each dialect of each broker: messages, retained ones, wills, large packets."""
    url = broker.urls[dialect].partition("?")[0]
    found = examined(tmp_path, url, broker_checks, broker_work, broker_packets)

    assert not [f for f in found if f.severity == "problem"]
    wells = {"broker.credentials", "broker.topics", "broker.retained", "broker.will"}
    assert {f.id for f in found if f.severity == "ok"} >= wells
    assert severities(found)["broker.packet_limit"] in {"ok", "note"}


@pytest.mark.on_each_broker
def test_nothing_is_left_behind(broker, tmp_path):
    """Retained messages are taken back, and nobody else hears of the doctor."""
    examined(tmp_path, broker.url, broker_checks, broker_work, broker_packets)
    with_all = Ear(broker.url)
    heard = []
    with_all.session.subscribe("paceline/v1/default/d/d1/#", 1, lambda t, p: heard.append((t, p)))
    with_all.session.publish(
        "paceline/v1/default/d/d1/end", b"", 1, confirm_seconds=PATIENCE_SECONDS
    )
    until(lambda: heard)
    with_all.session.stop()

    assert [topic.rpartition("/")[2] for topic, _ in heard] == ["end"]


def test_a_port_that_speaks_one_dialect_is_told(tmp_path):
    """A rumqttd closes without CONNACK on the other: a problem only where that is asked for."""
    from tests.system.conftest import start_broker

    with start_broker(broker_kinds.RUMQTTD) as running:
        port = running.urls["3.1.1"].partition("?")[0]
        free = the(examined(tmp_path, port, broker_checks), "broker.dialects")
        asked = the(examined(tmp_path, f"{port}?protocol=5", broker_checks), "broker.dialects")

    assert (free.severity, asked.severity) == ("note", "problem")
    assert "speaks MQTT 3.1.1 and closes without CONNACK on 5" in asked.evidence
    assert "?protocol=3.1.1" in asked.fix


@pytest.fixture
def guarded(tmp_path):
    """A mosquitto that wants user and password, and whose ACL gives a device only its topics."""
    if shutil.which("mosquitto_passwd") is None:
        pytest.skip("mosquitto_passwd is not installed")
    passwords = tmp_path / "passwords"
    passwords.touch(mode=0o600)
    subprocess.run(["mosquitto_passwd", "-b", passwords, "d1", PASSWORD], check=True)
    acl = {"acl": "pattern readwrite paceline/v1/default/d/%u/#\n"}
    lines = ("allow_anonymous false", f"password_file {passwords}", f"acl_file {tmp_path}/acl")
    with Mosquitto(tmp_path, *lines, "set_tcp_nodelay true", files=acl) as running:
        yield running


@pytest.mark.parametrize(
    ("password", "severity"), [(PASSWORD, "ok"), ("wrong", "problem"), (None, "problem")]
)
def test_credentials_are_told_apart_from_connections(guarded, tmp_path, password, severity):
    """The port is open either way; a wrong password is named, and so is a file that is gone."""
    if password:
        (tmp_path / "password").write_text(password)
    found = examined(
        tmp_path, guarded.url, broker_checks, broker_work, broker=", password_file: password"
    )

    assert severities(found)["broker.tcp"] == "ok"
    assert severities(found)["broker.credentials"] == severity
    assert ("broker.retained" in severities(found)) == (severity == "ok")
    if severity == "ok":
        assert severities(found)["broker.anonymous"] == "ok"
        assert "broker.version" not in severities(found)  # the ACL hides $SYS: silence


def test_topics_that_the_acl_forbids_are_told(tmp_path):
    """A mosquitto acknowledges and drops: only a subscriber knows."""
    acl = {"acl": "topic readwrite other/#\n"}
    lines = ("allow_anonymous true", f"acl_file {tmp_path}/acl")
    with Mosquitto(tmp_path, *lines, files=acl) as running:
        for protocol in ("5", "3.1.1"):
            url = f"{running.url}?protocol={protocol}"
            (found,) = examined(tmp_path, url, broker_work)

            assert (found.id, found.severity) == ("broker.topics", "problem")
            assert "pattern readwrite paceline/v1/default/d/%u/#" in found.fix


@pytest.mark.parametrize(
    ("line", "protocol", "configured_bytes", "severity", "says"),
    [
        ("max_packet_size 300000", "5", None, "ok", "says that it takes 300000 bytes"),
        ("max_packet_size 300000", "5", 1 << 20, "problem", "and says so"),
        ("max_packet_size 300000", "3.1.1", None, "note", "288 KiB came"),
        ("max_packet_size 300000", "3.1.1", 1 << 20, "problem", "288 KiB came"),
        ("max_packet_size 300000", "3.1.1", 250_000, "ok", "244 KiB came through"),
        ("max_packet_size 300000", "3.1.1", 50_000, "ok", "48 KiB came through"),
        ("message_size_limit 300000", "5", None, "note", "320 KiB: packet too large"),
        ("message_size_limit 50000", "5", None, "problem", " KiB came, "),
    ],
)
def test_the_packet_limit_is_told_or_measured(
    tmp_path, line, protocol, configured_bytes, severity, says
):
    """And compared with what the configuration says."""
    broker = f", max_packet_bytes: {configured_bytes}" if configured_bytes else ""
    with Mosquitto(tmp_path, "allow_anonymous true", line) as running:
        url = f"{running.url}?protocol={protocol}"
        found = the(examined(tmp_path, url, broker_packets, broker=broker), "broker.packet_limit")

    assert (found.severity, says in found.evidence) == (severity, True), found


def test_a_broker_without_retained_messages_is_a_problem(tmp_path):
    """Orders and routes are retained."""
    with Mosquitto(tmp_path, "allow_anonymous true", "retain_available false") as running:
        found = the(examined(tmp_path, running.url, broker_work), "broker.retained")

    assert found.severity == "problem"


def test_a_broker_that_holds_small_packets_back_is_told(tmp_path):
    """As mosquitto does by default: 40 ms for each."""
    with Mosquitto(tmp_path, "allow_anonymous true") as running:
        found = the(examined(tmp_path, running.url, broker_work), "broker.acknowledgement")

    assert (found.severity, "set_tcp_nodelay true" in found.fix) == ("warning", True)


@pytest.mark.parametrize(
    ("url", "finding"),
    [("mqtt://nobody.invalid", "broker.dns"), ("mqtt://127.0.0.1:9", "broker.tcp")],
)
def test_a_name_and_a_port_are_told_apart(tmp_path, url, finding):
    """What fails is the last that is said."""
    found = examined(tmp_path, url, broker_checks, broker_work)

    assert (found[-1].id, found[-1].severity) == (finding, "problem")


def test_a_port_that_is_no_brokers_is_told(closing, tmp_path):
    """It can be connected to, and says nothing on either dialect."""
    found = examined(tmp_path, f"mqtt://127.0.0.1:{closing}", broker_checks, broker_work)

    assert (found[-1].id, found[-1].severity) == ("broker.credentials", "problem")
    assert "takes connections and does not answer" in found[-1].evidence


def test_a_silent_broker_is_waited_for_once(silent, tmp_path):
    """A connection to see whether it is there, one for each dialect; then it is left alone."""
    port, taken = silent
    url = f"mqtt://127.0.0.1:{port}"
    found = examined(tmp_path, url, broker_checks, broker_work, broker_packets)

    assert (found[-1].id, found[-1].severity) == ("broker.credentials", "problem")
    assert "it said nothing for 5 s" in found[-1].evidence
    assert len(taken) == 3


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        ("mosquitto version 2.0.11", "warning"),
        ("mosquitto version 2.0.23", "ok"),
        ("mosquitto version 2.1.0", "ok"),
        ("EMQX 5", "note"),
    ],
)
def test_old_versions_are_warned_of(text, severity):
    """With why."""
    (found,) = broker_checks.version_told(text)

    assert (found.severity, "CVE-" in found.evidence) == (severity, severity == "warning")


def certificates(folder):
    """Make an authority, and a broker's certificate for `localhost` that it has signed."""

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    authority = ("-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority")
    openssl("req", "-x509", *new, *authority, "-days", "2")
    openssl("req", *new, "-keyout", "broker.key", "-out", "broker.csr", "-subj", "/CN=localhost")
    (folder / "names").write_text("subjectAltName=DNS:localhost\n")
    signer = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2")
    signed = ("-out", "broker.pem", "-extfile", "names")
    openssl("x509", "-req", "-in", "broker.csr", *signer, *signed)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_tls_is_told_apart_from_the_connection(tmp_path):
    """A certificate that we trust; one that we do not; another name; a port without TLS."""
    certificates(tmp_path)
    lines = [f"certfile {tmp_path}/broker.pem", f"keyfile {tmp_path}/broker.key"]
    with Mosquitto(tmp_path, "allow_anonymous true", "set_tcp_nodelay true", *lines) as running:
        ours = ", ca_file: ca.pem"
        good = examined(tmp_path, f"mqtts://localhost:{running.port}", broker_checks, broker=ours)
        other = examined(tmp_path, f"mqtts://127.0.0.1:{running.port}", broker_checks, broker=ours)
        nobody = examined(tmp_path, f"mqtts://localhost:{running.port}", broker_checks)
    with Mosquitto(tmp_path, "allow_anonymous true") as running:
        plain = examined(tmp_path, f"mqtts://127.0.0.1:{running.port}", broker_checks)

    assert severities(good)["broker.tls"] == "ok"
    assert severities(good)["broker.credentials"] == "ok"
    assert [the(f, "broker.tls").severity for f in (other, nobody, plain)] == ["problem"] * 3
    assert "name that stands in the certificate" in the(other, "broker.tls").fix
    assert "`ca_file` below `broker:`" in the(nobody, "broker.tls").fix
    assert "mqtt:// there" in the(plain, "broker.tls").fix


def test_an_open_broker_on_this_machine_is_told(tmp_path):
    """It listens to everyone and lets anybody in."""
    from agent.doctor import network

    port = free_port()
    with Mosquitto(tmp_path, f"listener {port}", "allow_anonymous true", port=port):
        found = [f for f in network.listening(network.open_ports()) if f":{port}" in f.evidence]

    assert [f.severity for f in found] == ["warning"]
    assert "lets anybody in" in found[0].evidence
